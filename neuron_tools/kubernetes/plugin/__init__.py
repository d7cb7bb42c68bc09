"""neuron-device-plugin: advertises the Neuron Devices and NeuronCores of a node to the kubelet."""
