"""Fault search: random scenarios by seed against invariants; a failing one is shrunk to the shortest that fails."""
