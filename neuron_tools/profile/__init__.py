"""neuron-profile: shows where the time of one execution goes."""
