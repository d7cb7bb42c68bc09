"""neuron-gatherinfo: checks of a node and its environment, and an archive for support."""
