"""``python -m neuron_tools.rtd``."""

from neuron_tools.rtd.cli import main

if __name__ == "__main__":
    main()
