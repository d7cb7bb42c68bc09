"""``python -m neuron_monitor.prometheus``."""

from neuron_monitor.prometheus.cli import main

if __name__ == "__main__":
    main()
