"""neuron-problem-detector: tells the cluster what is wrong with a node's Neuron Devices, and mends it when asked."""
