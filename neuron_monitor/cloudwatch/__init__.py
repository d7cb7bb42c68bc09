"""The stream of a neuron-monitor as Amazon CloudWatch metrics."""
