"""neuron-cli: NeuronCore Groups and networks of a neuron-rtd."""
