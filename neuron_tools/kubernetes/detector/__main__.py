"""``python -m neuron_tools.kubernetes.detector``."""

from neuron_tools.kubernetes.detector.cli import main

if __name__ == "__main__":
    main()
