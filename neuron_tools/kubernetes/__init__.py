"""Neuron on Kubernetes: device plugin, scheduler extension, problem detector."""
