"""``neuron-sim install``: install the suite where other programs look for the Neuron tools, and uninstall it."""

from pathlib import Path

DEFAULT_PREFIX = Path("/opt/aws/neuron")
"""Directory in which Ray, vLLM and AWS's samples look for ``bin/neuron-ls``."""
