"""Add the pods that use NeuronCores, from the kubelet, to the stream of a neuron-monitor."""
