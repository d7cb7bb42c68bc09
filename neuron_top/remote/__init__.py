"""Nodes that answer over the network: their neuron-monitors' Prometheus endpoints, read side by side."""
