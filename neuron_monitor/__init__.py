"""neuron-monitor: a viewer of a Neuron node."""
