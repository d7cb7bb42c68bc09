"""``python -m neuron_top``."""

from neuron_top.cli import main

if __name__ == "__main__":
    main()
