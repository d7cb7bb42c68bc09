"""``neuron-sim sysfs``: the node written as the tree that the Neuron driver would show."""

from __future__ import annotations

import time
from pathlib import Path

from runtime_core.mirror.reader import NodeMirror


def export(directory: Path, period_seconds: float | None) -> None:
    """Write the tree once, or again and again until Ctrl-C.

    Args:
        directory: where to; ``neuron-ls --source sysfs:DIRECTORY`` and its kin read it.
        period_seconds: how often; ``None``: once.

    Raises:
        NodeError: there is no node, or the directory holds something else.
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
