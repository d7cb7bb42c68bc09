"""Paths of a simulated node."""

from __future__ import annotations

import os
from pathlib import Path

ROOT_VARIABLE = "NEURON_SIM_ROOT"
INSTANCE_TYPE_VARIABLE = "NEURON_SIM_INSTANCE_TYPE"

NODE_FILE = "node.json"
DATASTORE_FILE = "datastore"
LOCKS_FILE = "locks"
REPLAY_FILE = "replay.json"
"""Marks a node that replays a recording."""
VISIBLE_FILE = "visible-devices"
KERNEL_LOG_FILE = "kernel.log"
OLD_KERNEL_LOG_FILE = "kernel.log.1"
"""Where :mod:`runtime_core.driver.kernel_log` writes."""


def node_root() -> Path:
    """The node directory: ``$NEURON_SIM_ROOT``, else ``$XDG_RUNTIME_DIR/neuron-sim``, else ``/tmp/neuron-sim-UID``."""
    root = os.environ.get(ROOT_VARIABLE)
    if root:
        return Path(root).absolute()
    runtime_dir = os.environ.get("XDG_RUNTIME_DIR")
    if runtime_dir:
        return Path(runtime_dir, "neuron-sim")
    # Safe in /tmp: the directory is created with mode 0700, and another owner's is refused.
    return Path(f"/tmp/neuron-sim-{os.getuid()}")  # noqa: S108
