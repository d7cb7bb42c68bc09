"""``python -m neuron_monitor.k8s``."""

from neuron_monitor.k8s.cli import main

if __name__ == "__main__":
    main()
