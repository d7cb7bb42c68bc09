"""neuron-device-plugin: offers the Neuron Devices and NeuronCores of a node to the kubelet."""
