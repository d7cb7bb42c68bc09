"""neuron-cc: compile models to NEFF files and inspect NEFF files."""
