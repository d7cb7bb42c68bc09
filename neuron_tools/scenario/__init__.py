"""Scenarios: a node, its applications, what goes wrong and when, and what is expected of it."""
