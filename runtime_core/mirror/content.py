"""Paths and contents of the files in the driver's sysfs tree of a simulated node.

A value that is unknown has no file, so a reader reports it as not available. For a counter, ``present`` is the count of
the live runtime, and ``total`` also includes runtimes that have ended; both start at the last time the counter was
cleared. For memory, ``total`` and ``present`` are the bytes in use now, and ``peak`` is the highest use so far. The
node does not record the peak of host memory, so there ``peak`` is the current use. Categories that the simulated chip
does not use are 0.

The tree is a superset of the tree on a real Inf1 node: the Inf1 driver creates neither ``serial_number`` nor
``stats/hardware``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from runtime_core.driver.kernel_log import serial_number
from runtime_core.mirror.lasting import Lasting
from runtime_core.telemetry.snapshot import (
    CoreMemory,
    CoreStatusCounts,
    CoreUse,
    Device,
    HostMemory,
    Snapshot,
    sum_known,
)
from runtime_core.telemetry.sysfs.tree import USE_COUNTERS

Content = int | str | None
File = tuple[str, Content]
"""Path relative to the root, and the content; ``None`` if the value is unknown (the file is omitted)."""

WRITTEN_ECC = ("mem_ecc_uncorrected", "sram_ecc_uncorrected", "mem_ecc_repairable_uncorrected")
"""Files in ``stats/hardware``: those of drivers before 2.30, which do not count corrected events."""

CORE_COUNTERS = (
    *(f"other_info/{name}" for name in USE_COUNTERS.values()),
    *(f"status/{name}" for name in CoreStatusCounts._fields),
    "other_info/reset_req_count",
    "other_info/reset_fail_count",
)
"""The counters of a core, as directories below ``stats``, in the order of ``CoreTotals.cleared``."""

UNUSED_DEVICE_MEMORY = (
    "collectives",
    "dma_rings",
    "driver_memory",
    "nonshared_scratchpad",
    "notifications",
    "uncategorized",
)
UNUSED_HOST_MEMORY = ("dma_rings", "driver_memory", "notifications", "uncategorized")
"""Memory categories of newer drivers that the simulated chip does not use: always 0."""

CORE_PEAKS = (*(f"memory_usage/device_mem/{name}" for name in CoreMemory._fields), "memory_usage/device_mem")
"""The memory peaks of a core, as directories below ``stats``, in the order of ``CoreTotals.memory_peak``."""


class TreeContent(NamedTuple):
    """The data from which a tree is written.

    Attributes:
        snapshot: the node.
        lasting: global core index -> figures of the core that outlive its runtimes. If a core is missing here, its
            counters have no ``total`` and its memory has no ``peak``.
    """

    snapshot: Snapshot
    lasting: Mapping[int, Lasting] = {}


_IDLE = CoreUse(
    0, 0, 0, 0, CoreMemory(*(0 for _ in CoreMemory._fields)), CoreStatusCounts(*(0 for _ in CoreStatusCounts._fields))
)


def _counts(use: CoreUse) -> tuple[int | None, ...]:
    return use.busy_ns, use.flops, use.inference_count, use.model_load_count, *use.status


def _present(live: int | None, total: int | None) -> int | None:
    # Counts that were cleared while the runtime was alive are in neither total nor present.
    return live if live is None or total is None else min(live, total)


def _counters(stats: str, use: CoreUse, lasting: Lasting | None) -> Iterator[File]:
    live = _counts(use)
    totals: tuple[int | None, ...] = (None,) * len(live)
    if lasting is not None:
        kept = _counts(lasting.counts)
        totals = tuple(None if a is None or b is None else max(0, a + b) for a, b in zip(live, kept, strict=True))
    values = [(_present(one, total), total) for one, total in zip(live, totals, strict=True)]
    if lasting is not None:
        values += [(count, count) for count in (lasting.reset_requests, lasting.refused_resets)]
        # Without the lasting figures, resets are unknown and have no files.
    for name, (present, total) in zip(CORE_COUNTERS, values, strict=lasting is not None):
        yield f"{stats}/{name}/present", present
        yield f"{stats}/{name}/total", total


def core_files(content: TreeContent, device: Device, number: int) -> Iterator[File]:
    """Yield the files of a core, with paths relative to the core's directory.

    Args:
        content: the node.
        device: the core's device.
        number: index of the core within the device.
    """
    core = device.core_ids[number]
    owner = content.snapshot.core_owner.get(core)
    use, lasting = _IDLE if owner is None else owner.cores[core], content.lasting.get(core)
    yield "info/architecture/arch_type", "NCv1"
    yield from _counters("stats", use, lasting)
    peaks: tuple[int | None, ...] = (None,) * len(CORE_PEAKS) if lasting is None else lasting.memory_peaks
    for name, used, peak in zip(CORE_PEAKS, (*use.memory, use.memory.total_bytes), peaks, strict=True):
        # The recorded peak may be older than the current use.
        yield from _memory(f"stats/{name}", used, peak if peak is None or used is None else max(peak, used))
    for name in UNUSED_DEVICE_MEMORY:
        yield from _memory(f"stats/memory_usage/device_mem/{name}", 0, 0)
    # The node records host memory per runtime, so the runtime's first core reports all of it.
    host = 0 if owner is None or core != min(owner.cores) else (owner.host_memory or HostMemory()).total_bytes
    yield from _memory("stats/memory_usage/host_mem", host, host)


def _memory(directory: str, used: int | None, peak: int | None) -> Iterator[File]:
    yield f"{directory}/total", used
    yield f"{directory}/present", used
    yield f"{directory}/peak", peak


def _host_memory(snapshot: Snapshot, device: Device) -> HostMemory:
    """Return the host memory of the runtimes on a device; a runtime is counted on the first of its devices only."""
    parts = [
        runtime.host_memory or HostMemory()
        for runtime in snapshot.runtimes
        if next((d.index for d in snapshot.devices if runtime.uses(d)), None) == device.index
    ]
    if not parts:
        return HostMemory(*(0 for _ in HostMemory._fields))
    return HostMemory(*(sum_known(values) for values in zip(*parts, strict=True)))


def device_files(content: TreeContent, device: Device) -> Iterator[File]:
    """Yield the files of a device, except those of its cores, with paths relative to the device's directory."""
    yield "connected_devices", ", ".join(map(str, device.connected))
    yield "core_count", len(device.core_ids)
    yield "info/notify_delay", -1
    yield "info/serial_number", serial_number(content.snapshot.instance.instance_id, device.index)
    yield "info/architecture/arch_type", "NDv1"
    yield "info/architecture/device_name", device.chip.name
    yield "info/architecture/instance_type", "Inf1"
    for name in WRITTEN_ECC:
        yield f"stats/hardware/{name}", getattr(device.ecc, name)
    # Power is not modelled: the driver's answer when it has taken no sample.
    yield "stats/power/utilization", "POWER_STATUS_NO_DATA,0,0.00,0.00,0.00"
    host_memory = _host_memory(content.snapshot, device)
    for name in HostMemory._fields:
        used = getattr(host_memory, name)
        yield from _memory(f"stats/memory_usage/host_mem/{name}", used, used)
    for name in UNUSED_HOST_MEMORY:
        yield from _memory(f"stats/memory_usage/host_mem/{name}", 0, 0)


def file_bytes(path: str, value: int | str) -> bytes:
    """Return the content of a file; like the driver, end every file except ``core_count`` with a newline."""
    return f"{value}".encode() if path.endswith("core_count") else f"{value}\n".encode()


def tree_files(content: TreeContent) -> Iterator[File]:
    """Yield every file of the tree."""
    for device in content.snapshot.devices:
        directory = f"neuron{device.index}"
        yield from ((f"{directory}/{path}", value) for path, value in device_files(content, device))
        for number in range(len(device.core_ids)):
            below = f"{directory}/neuron_core{number}"
            yield from ((f"{below}/{path}", value) for path, value in core_files(content, device, number))
