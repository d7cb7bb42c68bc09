"""neuron-top: a viewer of a Neuron node."""
