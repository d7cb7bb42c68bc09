"""``python -m neuron_tools.gatherinfo``."""

from neuron_tools.gatherinfo.cli import main

if __name__ == "__main__":
    main()
