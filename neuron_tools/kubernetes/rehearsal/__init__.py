"""A minimal cluster in one process for rehearsals: an API server and a kubelet with the functions that Neuron needs."""
