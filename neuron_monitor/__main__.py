"""``python -m neuron_monitor``."""

from neuron_monitor.cli import main

if __name__ == "__main__":
    main()
