"""Trust in nodes: only those of the user or of root that others cannot write.

The default directory can be in ``/tmp``, where any user can create it first. Files of another user there would be read
as counters, run as models of the owner, and name processes to send signals to.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from runtime_core.errors import NodeError

TRUST_VARIABLE = "NEURON_SIM_TRUST_NODE"
_YES = frozenset(("1", "true", "yes", "on"))
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_MEND = f"set NEURON_SIM_ROOT to a directory of yours, or trust this one with --trust-node or {TRUST_VARIABLE}=1"


class UntrustedNodeError(NodeError):
    """Another user owns the node, or can write it."""


def trusts_any() -> bool:
    """Whether the user requested to trust the node regardless of its owner."""
    return os.environ.get(TRUST_VARIABLE, "").strip().lower() in _YES


def check_trusted(found: os.stat_result, path: Path) -> None:
    """Check a part of a node by its file status.

    Args:
        found: of the directory, or of a file of the node that is open.
        path: its name in messages.

    Raises:
        UntrustedNodeError: a user other than root owns it, or others can write it, and the user did not ask to trust
            it.
    """
    if found.st_uid not in (os.geteuid(), 0):
        problem = f"it belongs to another user ({_name(found.st_uid)})"
    elif found.st_mode & _OTHERS_MAY_WRITE:
        problem = f"other users can write it (mode {stat.S_IMODE(found.st_mode):04o})"
    else:
        return
    if not trusts_any():
        raise UntrustedNodeError(problem, where=str(path), mend=_MEND)


def check_directory(root: Path) -> None:
    """Check the directory of a node; no effect if it does not exist.

    Raises:
        UntrustedNodeError: see :func:`check_trusted`.
    """
    try:
        found = root.stat()
    except OSError:
        return
    check_trusted(found, root)


def _name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
