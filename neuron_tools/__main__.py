"""``python -m neuron_tools``: the command neuron-tools."""

from neuron_tools.export.cli import main

main()
