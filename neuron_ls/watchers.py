"""Processes that only watch: they hold the node's datastore, or a device file, open and own no core."""

from __future__ import annotations

import os
from pathlib import Path

from neuron_ls.listing import Watcher
from runtime_core.telemetry import Snapshot


def _looks_at(pid: int, wanted: tuple[str, ...]) -> bool:
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            for entry in entries:
                try:
                    if os.readlink(entry.path).startswith(wanted):
                        return True
                except OSError:
                    continue
    except OSError:
        # Gone, or another user's: what can't be seen is not listed.
        return False
    return False


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return "NA"


def find_watchers(snapshot: Snapshot) -> tuple[Watcher, ...]:
    """Processes with the node's files open that use no device, this one included."""
    kind, _, root = snapshot.source.partition(":")
    wanted = (f"{root}/datastore",) if kind == "sim" else ("/dev/neuron",)
    users = {runtime.pid for runtime in snapshot.runtimes}
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    return tuple(Watcher(pid, _command(pid)) for pid in pids if pid not in users and _looks_at(pid, wanted))
