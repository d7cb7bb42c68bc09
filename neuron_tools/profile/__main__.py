"""``python -m neuron_tools.profile``."""

from neuron_tools.profile.cli import main

if __name__ == "__main__":
    main()
