"""The wire format of neuron-rtd. The ``*_pb2`` modules are generated: ``make proto`` makes them from ``.proto``."""
