"""Runs a loaded graph: real numerics, modelled time, counters."""
