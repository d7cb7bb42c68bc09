"""Write the driver's sysfs tree of a node to a directory."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from pathlib import Path

from runtime_core.errors import NodeError
from runtime_core.files import write_atomically
from runtime_core.mirror.content import TreeContent, file_bytes, tree_files
from runtime_core.mirror.surroundings import encode_mirror, mirror_of
from runtime_core.telemetry.snapshot import Snapshot
from runtime_core.telemetry.sysfs.surroundings import MIRROR_FILE

_DEVICE_DIRECTORY = re.compile(r"neuron\d+")


def _write(path: Path, content: bytes) -> None:
    """Replace a file atomically; do nothing if it already has this content."""
    try:
        if path.read_bytes() == content:
            return
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(path, content)


def _claim(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (directory / MIRROR_FILE).exists() and any(directory.iterdir()):
        raise NodeError(f"{directory} is not empty and is not a mirror of a node", mend="choose another directory")


def _drop_other_devices(snapshot: Snapshot, directory: Path) -> None:
    kept = {f"neuron{device.index}" for device in snapshot.devices}
    for entry in directory.iterdir():
        if _DEVICE_DIRECTORY.fullmatch(entry.name) and entry.name not in kept and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)


def export_tree(content: TreeContent, directory: Path) -> None:
    """Write the tree of a node to ``directory``.

    Each file is replaced atomically, so a reader never sees a partial number. The files change one after another,
    as the driver's own counters do. ``mirror.json`` holds the data that has no place in a sysfs tree (see
    :mod:`runtime_core.telemetry.sysfs.surroundings`).

    Args:
        content: the node.
        directory: root of the ``neuron<N>`` directories; created with mode 0700 if it does not exist.

    Raises:
        NodeError: the directory contains other files.
        OSError: the directory cannot be written.
    """
    _claim(directory)
    _drop_other_devices(content.snapshot, directory)
    _write(directory / MIRROR_FILE, encode_mirror(mirror_of(content.snapshot)))
    for name, value in tree_files(content):
        path = directory / name
        if value is None:
            with suppress(FileNotFoundError):
                path.unlink()
            continue
        _write(path, file_bytes(name, value))
