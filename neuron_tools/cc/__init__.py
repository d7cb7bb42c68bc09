"""neuron-cc: compile models to NEFF files and look into them."""
