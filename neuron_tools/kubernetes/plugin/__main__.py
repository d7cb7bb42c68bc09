"""``python -m neuron_tools.kubernetes.plugin``."""

from neuron_tools.kubernetes.plugin.cli import main

if __name__ == "__main__":
    main()
