"""Runtime 1.x: neuron-rtd, a gRPC daemon that owns devices and runs networks in NeuronCore Groups."""
