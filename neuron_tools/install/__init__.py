"""``neuron-sim install``: puts the suite where programs look for the Neuron tools, and takes it away again."""

from pathlib import Path

DEFAULT_PREFIX = Path("/opt/aws/neuron")
"""Where Ray, vLLM and AWS's samples look for ``bin/neuron-ls``."""
