"""``python -m neuron_ls``."""

from neuron_ls.cli import main

if __name__ == "__main__":
    main()
