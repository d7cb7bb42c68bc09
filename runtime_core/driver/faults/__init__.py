"""Injected faults: what kinds there are, how one is described, and which are active on a node."""
