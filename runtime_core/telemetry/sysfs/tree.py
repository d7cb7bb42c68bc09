"""The files of the Neuron driver's sysfs tree: their names as data, and reads that never fail.

Sources: the Neuron driver's sysfs layout up to driver 2.30. A file that is missing, unreadable or holds no plain number
gives ``None`` for its own figure only. What a tree holds beyond these files is skipped.
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
"""Today's name of a status counter -> its name in older drivers."""

USE_COUNTERS = {
    "busy_ns": "nc_time_in_use",
    "flops": "flop_count",
    "inference_count": "inference_count",
    "model_load_count": "model_load_count",
}
"""Field of CoreUse -> its counter in ``stats/other_info``.

The driver documents no unit for ``nc_time_in_use``; it is taken for nanoseconds.
"""

ECC_FILES = tuple(EccCounts._fields)
"""Files of ``stats/hardware``, named as the fields of EccCounts.

The driver has none of them on Inferentia, and counts corrected events from 2.30 on. The simulated tree writes those
that :data:`runtime_core.mirror.content.WRITTEN_ECC` lists.
"""

MAX_CORES_PER_DEVICE = 64
"""A larger ``core_count`` is ignored: the largest known Neuron Device has 8 cores."""

_READ_BYTES = 4096
_MAX_COUNT = (1 << 64) - 1
_MAX_COUNT_DIGITS = 20
_MAX_DEVICES = 4096
# A named pipe in an odd tree must not hold the reader up.
_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_NUMBERED = re.compile(r"(neuron|neuron_core)(0|[1-9]\d{0,3})")


def read_bytes(path: str, limit_bytes: int = _READ_BYTES) -> bytes | None:
    """The first bytes of a file; ``None`` when it cannot be read."""
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
    """A counter's value; ``None`` for anything but a decimal number of 64 bits."""
    if raw is None:
        return None
    text = raw.strip()
    if not text.isdigit() or len(text) > _MAX_COUNT_DIGITS:
        return None
    value = int(text)
    return value if value <= _MAX_COUNT else None


def read_count(path: str) -> int | None:
    """The number in a file, ``None`` when there is none."""
    return parse_count(read_bytes(path))


def read_text(path: str) -> str | None:
    """The first line of a file; ``None`` when there is none."""
    raw = read_bytes(path)
    line = raw.decode("utf-8", "replace").strip().partition("\n")[0] if raw else ""
    return line or None


def names_in(directory: str) -> list[str]:
    """The entries of a directory; none when it cannot be listed."""
    try:
        return os.listdir(directory)
    except OSError:
        return []


def numbered(names: Iterable[str], prefix: str) -> list[int]:
    """The numbers N of the names ``prefix<N>``, ascending."""
    found = (_NUMBERED.fullmatch(name) for name in names)
    return sorted(int(match[2]) for match in found if match is not None and match[1] == prefix)


def parse_connected(text: str | None, own: int) -> tuple[int, ...]:
    """The neighbours in ``connected_devices``, in firmware order; none of them when one is invalid."""
    parts = [part.strip() for part in (text or "").split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) <= len(str(_MAX_DEVICES)) for part in parts):
        return ()
    found = tuple(dict.fromkeys(int(part) for part in parts))
    return found if all(device != own and device < _MAX_DEVICES for device in found) else ()


def east_west(connected: tuple[int, ...], own: int) -> tuple[int | None, int | None]:
    """East and West neighbour of an Inferentia: the firmware names East first; an end of a line has one link."""
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
    """Memory in use: ``total``, or ``present`` of trees that have no ``total``."""
    total = read_count(paths[0])
    return read_count(paths[1]) if total is None else total


def _memory_paths(directory: str) -> tuple[str, str]:
    return f"{directory}/total", f"{directory}/present"


class CorePaths:
    """The files of one NeuronCore, named once and read at every look."""

    def __init__(self, directory: str) -> None:
        """``directory`` is a ``neuron_core<C>``."""
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
    """ECC events of a device."""
    return EccCounts(*(read_count(f"{device_directory}/stats/hardware/{name}") for name in ECC_FILES))


def read_host_memory(device_directory: str) -> HostMemory:
    """Host memory used on behalf of a device now."""
    directory = f"{device_directory}/stats/memory_usage/host_mem"
    return HostMemory(*(_read_memory(_memory_paths(f"{directory}/{name}")) for name in HostMemory._fields))
