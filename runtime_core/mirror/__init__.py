"""Write the sysfs tree that the Neuron driver would publish for a node, from a snapshot of that node."""
