"""neuron-profile: show how the time of one execution is spent."""
