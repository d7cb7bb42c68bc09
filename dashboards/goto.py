"""Targets of clicks: from the fleet to a node, and from there to a core or an application."""

from __future__ import annotations

from dashboards.spec import Goto

_NODE = "neuron-node"

TO_NODE = (Goto("This node", _NODE, {"instance": "instance"}),)
TO_TAG = (Goto("This application on its nodes", _NODE, {"tag": "runtime_tag"}),)
TO_TAG_HERE = (Goto("This application on this node", _NODE, {"instance": "instance", "tag": "runtime_tag"}),)
TO_CORE = (Goto("This NeuronCore", _NODE, {"instance": "instance", "core": "neuroncore"}),)
TO_POD = (Goto("This pod", _NODE, {"instance": "instance", "pod": "pod_name", "core": "neuroncore"}),)
