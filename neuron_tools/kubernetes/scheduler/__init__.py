"""neuron-scheduler: the scheduler extension that keeps the devices and cores of a pod contiguous."""
