"""Addresses of the alerts' runbooks and dashboards."""

from __future__ import annotations

RUNBOOKS = "https://neuron-tools-sim.example/how-to/runbooks/"
"""The page with a section for each alert. ``.example`` is a name reserved for documentation: set this, and the URLs in
``pyproject.toml`` and ``mkdocs.yml``, to the real address when the documentation has one."""

NODE_DASHBOARD = "https://grafana.example/d/neuron-node"
"""The dashboard of one node; set this to the address of your Grafana."""
