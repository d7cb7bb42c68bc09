"""The same figures as Prometheus metrics: from the node itself, or from the stream of a neuron-monitor."""
