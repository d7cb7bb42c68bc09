"""Grafana dashboards and Prometheus rules from Python: ``python -m dashboards`` writes the checked-in files."""
