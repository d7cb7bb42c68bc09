"""``neuron-sim sysfs``: writes the node as the Neuron driver's sysfs tree."""

from __future__ import annotations

import time
from pathlib import Path

from runtime_core.mirror.reader import NodeMirror


def export(directory: Path, period_seconds: float | None) -> None:
    """Write the tree once, or periodically until Ctrl-C.

    Args:
        directory: the target; ``neuron-ls --source sysfs:DIRECTORY`` and other viewers read it.
        period_seconds: seconds between updates; ``None``: write once.

    Raises:
        NodeError: the node is missing, or the directory holds other files.
    """
    mirror = NodeMirror(directory)
    try:
        deadline = time.monotonic()
        while True:
            mirror.refresh()
            if period_seconds is None:
                return
            deadline += period_seconds
            time.sleep(max(0.0, deadline - time.monotonic()))
    finally:
        mirror.close()
