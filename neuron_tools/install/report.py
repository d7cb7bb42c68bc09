"""The output of ``neuron-sim install``."""

from __future__ import annotations

import json
from pathlib import Path

from neuron_tools.install import command
from runtime_core.driver.paths import node_root
from runtime_core.errors import UsageError


def installed(prefix: Path, *, bake_root: bool, uninstall: bool, as_json: bool) -> str:
    """Install or uninstall, and return the report.

    Raises:
        UsageError: both were requested.
        NeuronError: the installation or uninstallation failed.
    """
    prefix = prefix.absolute()
    if uninstall:
        if bake_root:
            raise UsageError("--bake-root cannot be used with --uninstall", mend="omit one of them")
        return _removal(prefix, as_json=as_json)
    root = node_root().absolute() if bake_root else None
    paths = command.install(prefix, root)
    if as_json:
        return json.dumps({"prefix": str(prefix), "root": None if root is None else str(root), "files": paths})
    node = f"; they use the node in {root} unless NEURON_SIM_ROOT is set" if root is not None else ""
    return f"{len(paths)} files below {prefix}{node}"


def _removal(prefix: Path, *, as_json: bool) -> str:
    removal = command.uninstall(prefix)
    if as_json:
        return json.dumps({"prefix": str(prefix), **removal._asdict()})
    lines = [f"{len(removal.removed)} files removed below {prefix}"]
    lines += [f"kept, because it was changed: {path}" for path in removal.left]
    return "\n".join(lines)
