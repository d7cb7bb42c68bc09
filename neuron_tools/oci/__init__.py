"""neuron-oci-hook: Neuron Devices in containers."""
