"""neuron-rtd: the daemon of Runtime 1.x."""
