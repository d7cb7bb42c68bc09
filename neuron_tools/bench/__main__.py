"""``python -m neuron_tools.bench``."""

from neuron_tools.bench.cli import main

if __name__ == "__main__":
    main()
