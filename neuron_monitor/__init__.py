"""neuron-monitor: reports on a Neuron node, as a stream of JSON or as metrics."""
