"""Find processes that only watch a node and own no core."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from runtime_core.telemetry import Snapshot
from runtime_core.telemetry.real_node import REAL_NODE


class Watcher(NamedTuple):
    """A process that reads the node without using a device."""

    pid: int
    command: str


VIEWERS = frozenset({"neuron-ls", "neuron-top", "neuron-monitor", "neuron_ls", "neuron_top", "neuron_monitor"})


def _arguments(process: Path) -> list[str]:
    try:
        return (process / "cmdline").read_bytes().decode("utf-8", "replace").rstrip("\0").split("\0")
    except OSError:
        return []


def _holds(process: Path, path: str) -> bool:
    """Return whether a process has ``path`` open; False if unknown (it ended, or belongs to another user)."""
    try:
        with os.scandir(process / "fd") as entries:
            for entry in entries:
                try:
                    if os.readlink(entry.path) == path:
                        return True
                except OSError:
                    continue
    except OSError:
        return False
    return False


def reads_tree(arguments: Sequence[str], root: str) -> bool:
    """Return whether a command line is that of a viewer that reads the sysfs tree in ``root``.

    A viewer keeps no file of sysfs open between two snapshots, so only its command line identifies it. If the viewer is
    a Python script or module, the first arguments are the interpreter and its options.
    """
    if not any(os.path.basename(argument) in VIEWERS for argument in arguments[:4]):
        return False
    named = [argument.removeprefix("--source=") for argument in arguments]
    if f"sysfs:{root}" in named:
        return True
    return root == str(REAL_NODE) and ("sysfs" in named or not any(a.startswith("--source") for a in arguments))


def find_watchers(snapshot: Snapshot, proc: Path = Path("/proc")) -> tuple[Watcher, ...]:
    """Return the processes that read the snapshot's node without using a device, including this one.

    For a simulated node, these are processes that have its datastore open; for a sysfs tree, viewers of that tree.
    """
    kind, _, root = snapshot.source.partition(":")
    users = {runtime.pid for runtime in snapshot.runtimes}
    found = []
    for pid in sorted(int(name) for name in os.listdir(proc) if name.isdigit()):
        if pid in users:
            continue
        process = proc / str(pid)
        watches = (
            _holds(process, f"{root}/datastore")
            if kind == "sim"
            else pid == os.getpid() or reads_tree(_arguments(process), root)
        )
        if watches:
            found.append(Watcher(pid, " ".join(_arguments(process)) or "NA"))
    return tuple(found)
