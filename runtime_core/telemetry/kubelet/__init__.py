"""Containers that hold Neuron Devices and NeuronCores, as listed by the kubelet's pod-resources service.

``holdings``: the records, without gRPC. ``client``: the connection. ``pods``: names of pods per core, for viewers.
"""
