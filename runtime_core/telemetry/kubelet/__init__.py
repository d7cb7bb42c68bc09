"""Which containers hold Neuron Devices and NeuronCores, as the kubelet's pod-resources service lists them.

``holdings``: records, without gRPC. ``client``: the connection. ``pods``: names of pods by core, for viewers.
"""
