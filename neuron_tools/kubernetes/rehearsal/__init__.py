"""A cluster in one process, to rehearse on without one: an API server and a kubelet, as far as Neuron needs them."""
