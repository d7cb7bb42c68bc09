"""The fleet that runs on this machine: which processes serve it, since when, and the operator's faults."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec
import psutil

from neuron_tools.fleet.timeline import FOREVER_NS, Fault
from neuron_tools.scenario.schema import EventSpec
from runtime_core.errors import NodeError
from runtime_core.files import read_regular, write_atomically

ROOT_VARIABLE = "NEURON_FLEET_ROOT"
T = TypeVar("T")
_STATE, _FAULTS = "fleet.json", "faults.json"
_MAX_BYTES = 64 << 20


class Served(msgspec.Struct, frozen=True):
    """A running fleet.

    Attributes:
        name: as its file has it.
        file: the fleet file.
        nodes: how many.
        address: where it is served, ``HOST:PORT``.
        pid, created_seconds: the process that serves it or watches those that do, and its Unix start time.
        start_unix_seconds: when the nodes started; what all times of the fleet count from.
        reduced: whether pages are reduced.
    """

    name: str
    file: str
    nodes: int
    address: str
    pid: int
    created_seconds: float
    start_unix_seconds: float
    reduced: bool


class NodeFault(msgspec.Struct, frozen=True):
    """A fault of the operator on a node; times are nanoseconds since the fleet's start, ``until_ns`` ``None``: open."""

    node: str
    at_ns: int
    until_ns: int | None
    event: EventSpec

    @property
    def fault(self) -> Fault:
        """As a timeline takes it."""
        return Fault(self.at_ns, FOREVER_NS if self.until_ns is None else self.until_ns, self.event)


def fleet_root() -> Path:
    """``$NEURON_FLEET_ROOT``, else ``$XDG_RUNTIME_DIR/neuron-fleet``, else ``/tmp/neuron-fleet-UID``."""
    root = os.environ.get(ROOT_VARIABLE)
    if root:
        return Path(root).absolute()
    runtime_dir = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime_dir, "neuron-fleet") if runtime_dir else Path(f"/tmp/neuron-fleet-{os.getuid()}")  # noqa: S108


class FleetFiles:
    """The directory of the running fleet."""

    def __init__(self, root: Path) -> None:
        """Nothing is read yet."""
        self.root = root

    def make(self) -> None:
        """Make the directory, for its owner only.

        Raises:
            NodeError: it cannot be made, or belongs to another user.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.root.lstat()
        except OSError as error:
            raise NodeError(f"{self.root} cannot be made: {error.strerror}", mend=f"set {ROOT_VARIABLE}") from None
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
            raise NodeError(f"{self.root} can be written by other users", mend=f"set {ROOT_VARIABLE} to a private one")

    def served(self) -> Served | None:
        """The fleet that runs; ``None``: none does.

        Raises:
            NodeError: its file is damaged.
        """
        made = self._read(_STATE, Served)
        return made if made is not None and process_of(made) is not None else None

    def write(self, served: Served) -> None:
        """Tell others of a fleet that starts; it has no faults yet."""
        with suppress(FileNotFoundError):
            (self.root / _FAULTS).unlink()
        write_atomically(self.root / _STATE, msgspec.json.encode(served))

    def remove(self) -> None:
        """The fleet is down."""
        for name in (_STATE, _FAULTS):
            with suppress(FileNotFoundError):
                (self.root / name).unlink()
        with suppress(OSError):
            self.root.rmdir()

    def faults_version(self) -> tuple[int, int]:
        """Changes with the faults."""
        try:
            found = (self.root / _FAULTS).stat()
        except OSError:
            return 0, 0
        return found.st_ino, found.st_mtime_ns

    def faults(self) -> list[NodeFault]:
        """The operator's faults, those that ended too: counters remember them."""
        return self._read(_FAULTS, list[NodeFault]) or []

    def write_faults(self, faults: list[NodeFault]) -> None:
        """Replace the operator's faults."""
        write_atomically(self.root / _FAULTS, msgspec.json.encode(faults))

    def _read(self, name: str, kind: type[T]) -> T | None:
        path = self.root / name
        try:
            return msgspec.json.decode(read_regular(path, _MAX_BYTES), type=kind)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise NodeError(f"cannot be read: {error.strerror}", where=str(path)) from None
        except msgspec.MsgspecError as error:
            raise NodeError(f"damaged: {error}", where=str(path), mend="remove it") from None


def process_of(served: Served) -> psutil.Process | None:
    """The process of a fleet, ``None`` when it ended."""
    try:
        process = psutil.Process(served.pid)
        same = abs(process.create_time() - served.created_seconds) < 1.0
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None
