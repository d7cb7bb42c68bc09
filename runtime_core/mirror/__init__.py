"""Writes the tree of files that the Neuron driver keeps in sysfs, from a snapshot of a node."""
