"""Injected faults: their kinds, their description, and the active faults of a node."""
