"""The files of the Neuron driver's sysfs tree: a table of their names, and functions that read them without failing.

Source: the Neuron driver's sysfs layout up to driver 2.30. A file that is missing, unreadable or does not contain a
plain number gives ``None`` for its own figure only. Other files in a tree are ignored.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import NamedTuple

from runtime_core.telemetry.snapshot import CoreMemory, CoreStatusCounts, CoreUse, EccCounts, HostMemory

OLDER_STATUS_NAMES = {
    "execute_completed_with_error": "infer_completed_with_error",
    "execute_completed_with_num_error": "infer_completed_with_num_error",
    "execute_failed_to_queue": "infer_failed_to_queue",
}
"""Current name of a status counter -> its name in older drivers."""

USE_COUNTERS = {
    "busy_ns": "nc_time_in_use",
    "flops": "flop_count",
    "inference_count": "inference_count",
    "model_load_count": "model_load_count",
}
"""Field of CoreUse -> its counter in ``stats/other_info``.

The driver does not document the unit of ``nc_time_in_use``; nanoseconds are assumed.
"""

ECC_FILES = tuple(EccCounts._fields)
"""Files of ``stats/hardware``, with the names of the fields of EccCounts.

The driver provides none of them on Inferentia, and counts corrected events only from 2.30 on. The simulated tree
contains those in :data:`runtime_core.mirror.content.WRITTEN_ECC`.
"""

MAX_CORES_PER_DEVICE = 64
"""A larger ``core_count`` is ignored; the largest known Neuron Device has 8 cores."""

_READ_BYTES = 4096
_MAX_COUNT = (1 << 64) - 1
_MAX_COUNT_DIGITS = 20
_MAX_DEVICES = 4096
# Non-blocking, so that a named pipe in an unusual tree cannot block the reader.
_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_NUMBERED = re.compile(r"(neuron|neuron_core)(0|[1-9]\d{0,3})")


def read_bytes(path: str, limit_bytes: int = _READ_BYTES) -> bytes | None:
    """Return the first bytes of a file, or ``None`` if it cannot be read."""
    try:
        fd = os.open(path, _OPEN_FLAGS)
    except (OSError, ValueError):
        return None
    try:
        return os.read(fd, limit_bytes)
    except OSError:
        return None
    finally:
        os.close(fd)


def parse_count(raw: bytes | None) -> int | None:
    """Return the value of a counter, or ``None`` if the bytes are not a decimal number of at most 64 bits."""
    if raw is None:
        return None
    text = raw.strip()
    if not text.isdigit() or len(text) > _MAX_COUNT_DIGITS:
        return None
    value = int(text)
    return value if value <= _MAX_COUNT else None


def read_count(path: str) -> int | None:
    """Return the number in a file, or ``None`` if it has none."""
    return parse_count(read_bytes(path))


def read_text(path: str) -> str | None:
    """Return the first line of a file, or ``None`` if it has none."""
    raw = read_bytes(path)
    line = raw.decode("utf-8", "replace").strip().partition("\n")[0] if raw else ""
    return line or None


def names_in(directory: str) -> list[str]:
    """Return the entries of a directory; an empty list if it cannot be listed."""
    try:
        return os.listdir(directory)
    except OSError:
        return []


def numbered(names: Iterable[str], prefix: str) -> list[int]:
    """Return the numbers N of the names ``prefix<N>``, ascending."""
    found = (_NUMBERED.fullmatch(name) for name in names)
    return sorted(int(match[2]) for match in found if match is not None and match[1] == prefix)


def parse_connected(text: str | None, own: int) -> tuple[int, ...]:
    """Return the neighbours in ``connected_devices``, in firmware order; empty if any of them is invalid."""
    parts = [part.strip() for part in (text or "").split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) <= len(str(_MAX_DEVICES)) for part in parts):
        return ()
    found = tuple(dict.fromkeys(int(part) for part in parts))
    return found if all(device != own and device < _MAX_DEVICES for device in found) else ()


def east_west(connected: tuple[int, ...], own: int) -> tuple[int | None, int | None]:
    """Return the East and West neighbour of an Inferentia. The firmware lists East first; the end of a line has one."""
    match connected:
        case (east, west):
            return east, west
        case (only,):
            return (only, None) if only > own else (None, only)
        case _:
            return None, None


class CoreFigures(NamedTuple):
    """The counters of one NeuronCore, and the device memory in use on it (bytes)."""

    use: CoreUse
    memory_bytes: int | None


def _read_memory(paths: tuple[str, str]) -> int | None:
    """Return the memory in use: ``total``, or ``present`` in trees without ``total``."""
    total = read_count(paths[0])
    return read_count(paths[1]) if total is None else total


def _memory_paths(directory: str) -> tuple[str, str]:
    return f"{directory}/total", f"{directory}/present"


class CorePaths:
    """Paths of the files of one NeuronCore, built once and read for every snapshot."""

    def __init__(self, directory: str) -> None:
        """Build the paths; ``directory`` is a ``neuron_core<C>`` directory."""
        stats = f"{directory}/stats"
        memory = f"{stats}/memory_usage/device_mem"
        self._use = [f"{stats}/other_info/{name}/total" for name in USE_COUNTERS.values()]
        self._categories = [_memory_paths(f"{memory}/{name}") for name in CoreMemory._fields]
        self._memory = _memory_paths(memory)
        self._status = [
            (f"{stats}/status/{name}/total", f"{stats}/status/{older}/total" if older else None)
            for name, older in ((name, OLDER_STATUS_NAMES.get(name)) for name in CoreStatusCounts._fields)
        ]

    def read(self) -> CoreFigures:
        """Read every file once."""
        busy_ns, flops, inferences, loads = map(read_count, self._use)
        status = []
        for path, older_path in self._status:
            count = read_count(path)
            status.append(read_count(older_path) if count is None and older_path is not None else count)
        categories = CoreMemory(*map(_read_memory, self._categories))
        use = CoreUse(busy_ns, flops, inferences, loads, categories, CoreStatusCounts(*status))
        return CoreFigures(use, _read_memory(self._memory))


def read_ecc(device_directory: str) -> EccCounts:
    """Return the ECC event counts of a device."""
    return EccCounts(*(read_count(f"{device_directory}/stats/hardware/{name}") for name in ECC_FILES))


def read_host_memory(device_directory: str) -> HostMemory:
    """Return the host memory in use on behalf of a device."""
    directory = f"{device_directory}/stats/memory_usage/host_mem"
    return HostMemory(*(_read_memory(_memory_paths(f"{directory}/{name}")) for name in HostMemory._fields))
