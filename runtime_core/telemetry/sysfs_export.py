"""Writes a snapshot as the tree that the Neuron driver would show of such a node (``contracts/sysfs.md``).

A figure that the snapshot does not have gets no file: a reader shows it as not available. Of counters, ``present`` is
what live runtimes counted and ``total`` adds what ended ones did. Of memory, ``present`` is what is used now and
``peak`` the most that was exported into the same directory; a snapshot knows no ``total`` of memory.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from runtime_core.errors import NodeError
from runtime_core.telemetry.mirror import MIRROR_FILE, encode_mirror, mirror_of
from runtime_core.telemetry.snapshot import (
    CoreMemory,
    CoreStatusCounts,
    CoreUse,
    Device,
    HostMemory,
    Snapshot,
    sum_known,
)
from runtime_core.telemetry.sysfs_identity import INFERENTIA_ARCHITECTURE, INFERENTIA_NAME
from runtime_core.telemetry.sysfs_tree import ECC_FILES, USE_COUNTERS, read_count

_DEVICE_DIRECTORY = re.compile(r"neuron\d+")
_PEAK = "peak"

_File = tuple[str, int | str | None]
"""Path below the root, and what it holds; ``None``: not known, no file."""


def _counter(directory: str, live: int | None, ended: int | None) -> Iterator[_File]:
    yield f"{directory}/present", live
    yield f"{directory}/total", None if live is None or ended is None else live + ended


def _memory(directory: str, used_bytes: int | None) -> Iterator[_File]:
    yield f"{directory}/present", used_bytes
    yield f"{directory}/{_PEAK}", used_bytes


def _core_files(directory: str, use: CoreUse, ended: CoreUse) -> Iterator[_File]:
    stats = f"{directory}/stats"
    yield f"{directory}/info/architecture/arch_type", "NCv1"
    for name in CoreStatusCounts._fields:
        yield from _counter(f"{stats}/status/{name}", getattr(use.status, name), getattr(ended.status, name))
    for field, name in USE_COUNTERS.items():
        yield from _counter(f"{stats}/other_info/{name}", getattr(use, field), getattr(ended, field))
    yield from _memory(f"{stats}/memory_usage/device_mem", use.memory.total_bytes)
    for name in CoreMemory._fields:
        yield from _memory(f"{stats}/memory_usage/device_mem/{name}", getattr(use.memory, name))


def _serial_number(instance_id: str, device: int) -> str:
    """Sixteen hex digits that stay with the device of this instance: the simulated chip's own."""
    return hashlib.blake2b(f"{instance_id}/{device}".encode(), digest_size=8).hexdigest()


def _device_files(snapshot: Snapshot, device: Device, host_memory: HostMemory) -> Iterator[_File]:
    directory = f"neuron{device.index}"
    yield f"{directory}/connected_devices", ", ".join(map(str, device.connected))
    yield f"{directory}/core_count", len(device.core_ids)
    yield f"{directory}/info/serial_number", _serial_number(snapshot.instance.instance_id, device.index)
    yield f"{directory}/info/architecture/arch_type", INFERENTIA_ARCHITECTURE
    yield f"{directory}/info/architecture/device_name", INFERENTIA_NAME
    yield f"{directory}/info/architecture/instance_type", "Inf1"
    for field, name in ECC_FILES.items():
        yield f"{directory}/stats/hardware/{name}", getattr(device.ecc, field)
    yield f"{directory}/stats/power/utilization", "POWER_STATUS_NO_DATA"
    for name in HostMemory._fields:
        yield from _memory(f"{directory}/stats/memory_usage/host_mem/{name}", getattr(host_memory, name))


def _host_memory_by_device(snapshot: Snapshot) -> dict[int, HostMemory]:
    """Host memory of each runtime on the first of its devices: the driver counts it by device, a runtime as a whole."""
    parts: dict[int, list[HostMemory]] = {device.index: [] for device in snapshot.devices}
    for runtime in snapshot.runtimes:
        first = next((device.index for device in snapshot.devices if runtime.uses(device)), None)
        if first is not None:
            parts[first].append(runtime.host_memory or HostMemory())
    nothing = HostMemory(*(0 for _ in HostMemory._fields))
    return {
        device: HostMemory(*(sum_known(values) for values in zip(*found, strict=True))) if found else nothing
        for device, found in parts.items()
    }


_IDLE = CoreUse(0, 0, 0, 0, CoreMemory(*(0 for _ in CoreMemory._fields)), CoreStatusCounts(*(0 for _ in range(14))))
_UNKNOWN = CoreUse(None, None, None, None, CoreMemory(), CoreStatusCounts())


def tree_files(snapshot: Snapshot, ended: Mapping[int, CoreUse] | None = None) -> Iterator[_File]:
    """Every file of the tree; see :func:`export_tree`."""
    host_memory = _host_memory_by_device(snapshot)
    for device in snapshot.devices:
        yield from _device_files(snapshot, device, host_memory[device.index])
        for number, core in enumerate(device.core_ids):
            owner = snapshot.core_owner.get(core)
            live = _IDLE if owner is None else owner.cores[core]
            before = _UNKNOWN if ended is None else ended.get(core, _IDLE)
            yield from _core_files(f"neuron{device.index}/neuron_core{number}", live, before)


def _write(path: Path, content: bytes) -> None:
    """Replace a file in one step; one that holds this already is left alone."""
    try:
        if path.read_bytes() == content:
            return
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _claim(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (directory / MIRROR_FILE).exists() and any(directory.iterdir()):
        raise NodeError(f"{directory} is not empty and no mirror of a node: choose another directory")


def _drop_other_devices(snapshot: Snapshot, directory: Path) -> None:
    kept = {f"neuron{device.index}" for device in snapshot.devices}
    for entry in directory.iterdir():
        if _DEVICE_DIRECTORY.fullmatch(entry.name) and entry.name not in kept and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)


def export_tree(snapshot: Snapshot, directory: Path, ended: Mapping[int, CoreUse] | None = None) -> None:
    """Write ``directory``'s files so that a reader of the driver's tree sees the snapshot.

    Each file is replaced in one step, so a reader never sees half a number; the files change one after another, as the
    driver's own counters do. ``mirror.json`` keeps what such a tree has no place for (see
    :mod:`runtime_core.telemetry.mirror`).

    Args:
        snapshot: the node.
        directory: becomes the root of the ``neuron<N>`` directories; made with mode 0700 when it is not there.
        ended: global core index -> what ended runtimes counted on it (a core that is left out: nothing). ``None``: not
            known, then counters have no ``total``.

    Raises:
        NodeError: the directory holds something else.
        OSError: it can't be written.
    """
    _claim(directory)
    _drop_other_devices(snapshot, directory)
    _write(directory / MIRROR_FILE, encode_mirror(mirror_of(snapshot)))
    for name, value in tree_files(snapshot, ended):
        path = directory / name
        if value is None:
            with suppress(FileNotFoundError):
                path.unlink()
            continue
        if path.name == _PEAK and isinstance(value, int):
            value = max(value, read_count(str(path)) or 0)
        _write(path, f"{value}\n".encode())
