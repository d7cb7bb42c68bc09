"""``python -m neuron_tools.oci``."""

from neuron_tools.oci.cli import main

if __name__ == "__main__":
    main()
