"""``python -m neuron_tools.sim``."""

from neuron_tools.sim.cli import main

if __name__ == "__main__":
    main()
