"""neuron-profile: where the time of one execution goes."""
