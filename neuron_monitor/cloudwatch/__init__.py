"""Send the stream of a neuron-monitor to Amazon CloudWatch as metrics."""
