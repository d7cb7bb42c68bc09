"""``python -m neuron_monitor.cloudwatch``."""

from neuron_monitor.cloudwatch.cli import main

if __name__ == "__main__":
    main()
