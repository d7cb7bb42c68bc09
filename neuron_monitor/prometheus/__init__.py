"""The figures as Prometheus metrics: read from the node directly, or from the stream of a neuron-monitor."""
