"""``python -m neuron_tools.neuron_cli``."""

from neuron_tools.neuron_cli.cli import main

if __name__ == "__main__":
    main()
