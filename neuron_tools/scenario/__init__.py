"""Scenarios: a node, its applications, a timeline of events, and expectations."""
