"""``neuron-tools export``: writes the dashboards, rules and deployment files that an installation ships."""
