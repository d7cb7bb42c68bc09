"""The wire of neuron-rtd. The ``*_pb2`` modules are generated: ``make proto`` makes them from the ``.proto`` files."""
