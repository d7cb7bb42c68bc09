"""neuron-ls: a viewer of a Neuron node."""
