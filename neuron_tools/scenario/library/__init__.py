"""Scenarios that are shipped: one for each alert and its runbook, and more."""
