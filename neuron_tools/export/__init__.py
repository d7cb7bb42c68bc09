"""``neuron-tools export``: write the dashboards, rules and deployment files of an installation."""
