"""neuron-gatherinfo: checks of a node and its surroundings, and an archive for whoever is asked for help."""
