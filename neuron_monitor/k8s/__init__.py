"""Which pods use which NeuronCores: the kubelet's answer, added to the stream of a neuron-monitor."""
