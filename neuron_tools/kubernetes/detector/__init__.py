"""neuron-problem-detector: reports problems of a node's Neuron Devices to the cluster; recovers the node on request."""
