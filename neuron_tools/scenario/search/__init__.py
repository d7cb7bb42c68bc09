"""Fault search: check invariants in random scenarios by seed, and shrink a scenario that fails."""
