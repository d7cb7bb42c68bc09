"""The shipped scenarios: one per alert and its runbook, and others."""
