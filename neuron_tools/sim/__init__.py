"""neuron-sim: set up, load and break a simulated node."""
