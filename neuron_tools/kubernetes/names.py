"""Names shared by Kubernetes, the Neuron device plugin and the scheduler extension.

Source: ``contracts/kubernetes.md`` (kubelet protos, the Neuron Helm chart, public cluster logs).
"""

from __future__ import annotations

from runtime_core.telemetry.kubelet import holdings

DEVICE_RESOURCE = "aws.amazon.com/neuron"
CORE_RESOURCE = holdings.CORE_RESOURCE
OLD_DEVICE_RESOURCE = "aws.amazon.com/neurondevice"
"""An alias of ``DEVICE_RESOURCE`` that schedulers still accept."""

DEVICE_RESOURCES = (DEVICE_RESOURCE, OLD_DEVICE_RESOURCE)
RESOURCES = (DEVICE_RESOURCE, CORE_RESOURCE)
"""The resources that the device plugin advertises."""

# Annotations of a pod.
IDS = "AWS_NEURON_IDS"
OLD_CORE_IDS = "NEURON_CORES"
ALLOCATED = "NEURON_ALLOCATED"
ALLOCATION_TIME = "NEURON_ALLOC_TIME"
RESOURCE_TYPE = "NEURON_RESOURCE_TYPE"

# Annotations of a node.
DEVICE_USAGE = "NEURON_DEV_USAGE_MAP"
CORE_USAGE = "NEURON_CORE_USAGE_MAP"

INSTANCE_TYPE_LABELS = ("node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type")
TAINT = "aws.amazon.com/neuron"
CONDITION = "NeuronHealth"
