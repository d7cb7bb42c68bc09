"""``python -m neuron_tools.kubernetes.scheduler``."""

from neuron_tools.kubernetes.scheduler.cli import main

if __name__ == "__main__":
    main()
