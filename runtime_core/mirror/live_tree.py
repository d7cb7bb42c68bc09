"""The driver's sysfs tree of a simulated node, evaluated on access: the mounted file system without FUSE."""

from __future__ import annotations

import enum
import errno
import os
import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from runtime_core.driver.datastore import Datastore
from runtime_core.driver.pages.totals import clear_counter, clear_peak
from runtime_core.driver.paths import node_root
from runtime_core.driver.reset import DeviceInUseError, reset_device
from runtime_core.errors import NodeError
from runtime_core.instance import CORES_PER_DEVICE
from runtime_core.mirror.content import (
    CORE_COUNTERS,
    CORE_PEAKS,
    TreeContent,
    core_files,
    device_files,
    file_bytes,
    tree_files,
)
from runtime_core.mirror.reader import TreeReader
from runtime_core.mirror.surroundings import encode_mirror, mirror_of
from runtime_core.telemetry.sysfs.surroundings import MIRROR_FILE

FORCE = b"force"
"""Content to write to a device's ``reset`` file to reset the device even while processes own its cores."""

_RESET_FILE = "reset"
_MEMORY = "memory_usage/"
_DEVICE_DIRECTORY = re.compile(r"neuron(\d+)")
_CORE_DIRECTORY = re.compile(r"neuron_core(\d+)")


class EntryKind(enum.Enum):
    """The type of an entry in the tree, which determines the operations on it."""

    DIRECTORY = "directory"
    FIGURE = "figure"
    COUNTER = "counter"
    RESET = "reset"


class _Place(NamedTuple):
    """Location of a file: device, core within it (``None``: a file of the device), path relative to that directory."""

    device: int
    core: int | None
    below: str

    @property
    def global_core(self) -> int:
        return self.device * CORES_PER_DEVICE + (self.core or 0)


def _place(path: str) -> _Place | None:
    parts = path.split("/")
    device = _DEVICE_DIRECTORY.fullmatch(parts[0])
    if device is None or len(parts) < 2:
        return None
    core = _CORE_DIRECTORY.fullmatch(parts[1])
    if core is None:
        return _Place(int(device[1]), None, "/".join(parts[1:]))
    return _Place(int(device[1]), int(core[1]), "/".join(parts[2:]))


def _kind(path: str) -> EntryKind:
    place = _place(path)
    directory, _, name = ("" if place is None else place.below).removeprefix("stats/").rpartition("/")
    if place is not None and place.core is not None and directory in CORE_COUNTERS:
        return EntryKind.COUNTER
    if place is not None and directory.startswith(_MEMORY):
        return EntryKind.COUNTER
    return EntryKind.RESET if place is not None and name == _RESET_FILE and not directory else EntryKind.FIGURE


class LiveTree:
    """The tree of a node. The set of entries is fixed on creation; contents are computed on each read.

    Paths are relative to the root, without a leading slash; "" is the root. A failed operation raises ``OSError`` with
    the errno of a file system: ENODEV if the node is gone, ENODATA if the value is unknown.
    """

    def __init__(self, root: Path | None = None) -> None:
        """Read the node to determine the entries of the tree.

        Args:
            root: the node's directory; the default is the node of the environment.

        Raises:
            NodeNotFoundError: the node does not exist.
            NodeError: the node cannot be read.
        """
        self._root = root or node_root()
        self._reader = TreeReader(self._root)
        content = self._reader.look()
        # Without runtimes every modelled value is known, so the entries do not depend on the state of any process.
        idle = content._replace(snapshot=content.snapshot._replace(runtimes=()))
        paths = [path for path, value in tree_files(idle) if value is not None]
        paths += [f"neuron{device.index}/{_RESET_FILE}" for device in content.snapshot.devices]
        self._kinds = {path: _kind(path) for path in (*paths, MIRROR_FILE)}
        names: dict[str, set[str]] = {"": set()}
        for path in self._kinds:
            child = PurePosixPath(path)
            for parent in child.parents:
                below = "" if str(parent) == "." else str(parent)
                names.setdefault(below, set()).add(child.name)
                child = parent
        self._names = {path: sorted(found) for path, found in names.items()}

    def kind(self, path: str) -> EntryKind:
        """Return the type of an entry.

        Raises:
            OSError: ENOENT if there is no such entry.
        """
        if path in self._names:
            return EntryKind.DIRECTORY
        try:
            return self._kinds[path]
        except KeyError:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT)) from None

    def names(self, path: str) -> list[str]:
        """Return the names in a directory, sorted.

        Raises:
            OSError: ENOENT or ENOTDIR.
        """
        if self.kind(path) is not EntryKind.DIRECTORY:
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        return self._names[path]

    def read(self, path: str) -> bytes:
        """Return the current content of a file.

        Raises:
            OSError: ENOENT, EISDIR, EACCES (the file is write-only), ENODATA, ENODEV.
        """
        kind = self.kind(path)
        if kind is EntryKind.DIRECTORY:
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if kind is EntryKind.RESET:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        place = _place(path)
        if place is None:
            return encode_mirror(mirror_of(self._look([]).snapshot))
        value = self._value(place)
        if value is None:
            raise OSError(errno.ENODATA, os.strerror(errno.ENODATA))
        return file_bytes(path, value)

    def write(self, path: str, data: bytes) -> None:
        """Clear a counter for any data, or reset a device (``force``: even while processes own its cores).

        Raises:
            OSError: ENOENT, EISDIR, EACCES (the file is not writable), EBUSY (a process owns the device), ENODEV.
        """
        kind, place = self.kind(path), _place(path)
        if kind is EntryKind.DIRECTORY:
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if place is None or kind is EntryKind.FIGURE:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        try:
            store = Datastore(self._root, writable=True)
        except NodeError as error:
            raise OSError(errno.ENODEV, str(error)) from None
        try:
            if kind is EntryKind.COUNTER:
                self._clear(store, place)
            else:
                reset_device(store, place.device, force=data.strip() == FORCE)
        except DeviceInUseError as error:
            raise OSError(errno.EBUSY, str(error)) from None
        finally:
            store.close()

    def close(self) -> None:
        """Close the node."""
        self._reader.close()

    def _clear(self, store: Datastore, place: _Place) -> None:
        name = place.below.removeprefix("stats/").rpartition("/")[0]
        if name.startswith(_MEMORY):
            # Memory in use cannot be cleared, and the node records no peak of host memory.
            if place.core is not None and name in CORE_PEAKS:
                clear_peak(store, place.global_core, CORE_PEAKS.index(name))
            return
        total = place._replace(below=f"stats/{name}/total")

        def shown() -> int:
            value = self._value(total)
            return value if isinstance(value, int) else 0

        clear_counter(store, place.global_core, CORE_COUNTERS.index(name), shown)

    def _look(self, cores: list[int]) -> TreeContent:
        try:
            return self._reader.look(cores)
        except NodeError as error:
            raise OSError(errno.ENODEV, str(error)) from None

    def _value(self, place: _Place) -> int | str | None:
        content = self._look([] if place.core is None else [place.global_core])
        device = next((d for d in content.snapshot.devices if d.index == place.device), None)
        if device is None:
            # The device fell off the bus, or the mounted node was replaced by another one.
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        files = device_files(content, device) if place.core is None else core_files(content, device, place.core)
        return next((value for path, value in files if path == place.below), None)
