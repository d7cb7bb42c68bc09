"""The files of the Neuron driver's sysfs tree: their names as data, and reads that never fail.

Source: ``contracts/sysfs.md``. A file that is missing, unreadable or holds no plain number is ``None``, one by one.
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

ECC_FILES = {"mem_ecc_uncorrected": "mem_ecc_uncorrected", "sram_ecc_uncorrected": "sram_ecc_uncorrected"}
"""Field of EccCounts -> its file in ``stats/hardware``; corrected events are not in sysfs."""

MAX_CORES_PER_DEVICE = 64
"""A larger ``core_count`` is not believed: the largest Neuron Device has a tenth of it."""

_READ_BYTES = 4096
_MAX_COUNT = (1 << 64) - 1
_MAX_COUNT_DIGITS = 20
_MAX_DEVICES = 4096
# A named pipe in an odd tree must not hold the reader up.
_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_NUMBERED = re.compile(r"(neuron|neuron_core)(0|[1-9]\d{0,3})")


def read_bytes(path: str, limit_bytes: int = _READ_BYTES) -> bytes | None:
    """The first bytes of a file; ``None`` when it can't be read."""
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


def printable(text: str) -> str:
    """The text with every control character replaced, so that no file or process name can drive a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def read_text(path: str) -> str | None:
    """The first line of a file, printable; ``None`` when there is none."""
    raw = read_bytes(path)
    line = raw.decode("utf-8", "replace").strip().partition("\n")[0] if raw else ""
    return printable(line) or None


def names_in(directory: str) -> list[str]:
    """The entries of a directory; none when it can't be listed."""
    try:
        return os.listdir(directory)
    except OSError:
        return []


def numbered(names: Iterable[str], prefix: str) -> list[int]:
    """The numbers N of the names ``prefix<N>``, ascending."""
    found = (_NUMBERED.fullmatch(name) for name in names)
    return sorted(int(match[2]) for match in found if match is not None and match[1] == prefix)


def parse_connected(text: str | None, own: int) -> tuple[int, ...]:
    """The neighbours in ``connected_devices``, in firmware order; none of them is believed when one is odd."""
    parts = [part.strip() for part in (text or "").split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) <= len(str(_MAX_DEVICES)) for part in parts):
        return ()
    found = tuple(dict.fromkeys(int(part) for part in parts))
    return found if all(device != own and device < _MAX_DEVICES for device in found) else ()


def east_west(connected: tuple[int, ...], own: int) -> tuple[int | None, int | None]:
    """East and West neighbour: the firmware names East first; the one link of a line's end points along the line."""
    match connected:
        case (east, west):
            return east, west
        case (only,):
            return (only, None) if only > own else (None, only)
        case _:
            return None, None


class CoreFigures(NamedTuple):
    """What a NeuronCore's directory tells: its counters, and the device memory it uses in all (bytes)."""

    use: CoreUse
    memory_bytes: int | None


class CorePaths:
    """The files of one NeuronCore, named once and read at every look."""

    def __init__(self, directory: str) -> None:
        """``directory`` is a ``neuron_core<C>``."""
        stats = f"{directory}/stats"
        memory = f"{stats}/memory_usage/device_mem"
        self._use = [f"{stats}/other_info/{name}/total" for name in USE_COUNTERS.values()]
        self._categories = [f"{memory}/{name}/present" for name in CoreMemory._fields]
        self._memory = f"{memory}/present"
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
        categories = CoreMemory(*map(read_count, self._categories))
        use = CoreUse(busy_ns, flops, inferences, loads, categories, CoreStatusCounts(*status))
        return CoreFigures(use, read_count(self._memory))


def read_ecc(device_directory: str) -> EccCounts:
    """ECC events of a device."""
    known = {field: read_count(f"{device_directory}/stats/hardware/{name}") for field, name in ECC_FILES.items()}
    return EccCounts(**known)


def read_host_memory(device_directory: str) -> HostMemory:
    """Host memory used on behalf of a device now."""
    directory = f"{device_directory}/stats/memory_usage/host_mem"
    return HostMemory(*(read_count(f"{directory}/{name}/present") for name in HostMemory._fields))
