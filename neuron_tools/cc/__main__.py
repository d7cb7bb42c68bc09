"""``python -m neuron_tools.cc``."""

from neuron_tools.cc.cli import main

if __name__ == "__main__":
    main()
