"""The datastore's bytes: ctypes structures mapped onto the file, little endian, aligned to 8.

A file header, a block per device, a block per NeuronCore, the table of faults, then a page per runtime process. The
process that holds a page's lock is the page's only writer. Everything multi-field in a page is guarded by the page's
sequence count: odd while the writer is inside. A change of any structure here is a new ``LAYOUT_VERSION``.
"""

from __future__ import annotations

import ctypes
import sys

from runtime_core.histogram import BUCKET_COUNT
from runtime_core.instance import DRAM_CHANNELS, MAX_CORES, MAX_DEVICES

MAGIC = b"NRNSIMDS"
LAYOUT_VERSION = 8
PAGE_COUNT = 256
MAX_MODELS = 512
"""Of a process: 8 on each of 64 cores."""
MAX_SUBGRAPHS = 2048
MAX_FAULTS = 64

STATUS_COUNT = 24
"""Statuses of a core, in the order of ``telemetry.snapshot.CoreStatusCounts``."""
RUNTIME_COUNTER_COUNT = 4 + STATUS_COUNT
"""Counters of a core that runtimes keep: busy time, FLOPs, executions, loads, and the statuses."""
COUNTER_COUNT = RUNTIME_COUNTER_COUNT + 2
"""The same, with the requested and the refused resets."""
PEAK_COUNT = 6
"""Peaks of device memory of a core: by category, and in total."""

STATE_FREE = 0
STATE_CLAIMING = 1
STATE_LIVE = 2

_U32 = ctypes.c_uint32
_U64 = ctypes.c_uint64

if sys.byteorder != "little":  # pragma: no cover - no big-endian machine to run it on
    raise ImportError("the datastore is little endian; this machine is not")


class FileHeader(ctypes.Structure):
    """Identity of the file and of the instance (strings are UTF-8, NUL padded)."""

    _fields_ = (
        ("magic", ctypes.c_char * 8),
        ("layout_version", _U32),
        ("page_count", _U32),
        ("page_bytes", _U64),
        ("pages_offset_bytes", _U64),
        ("boot_ns", _U64),
        ("seed", _U64),
        # Pages that have disk blocks; beyond them the file has holes that must not be touched.
        ("backed_pages", _U64),
        ("instance_type", ctypes.c_char * 32),
        ("instance_id", ctypes.c_char * 64),
        ("instance_name", ctypes.c_char * 64),
        ("availability_zone", ctypes.c_char * 32),
        ("availability_zone_id", ctypes.c_char * 32),
        ("region", ctypes.c_char * 32),
        ("ami_id", ctypes.c_char * 32),
        ("subnet_id", ctypes.c_char * 32),
        ("driver_version", ctypes.c_char * 32),
        # End of each core's work, CLOCK_MONOTONIC: chip neighbours in other processes share DRAM bandwidth.
        ("core_busy_until_ns", _U64 * MAX_CORES),
        # Odd while the table of faults is being changed.
        ("fault_generation", _U64),
        ("last_fault_id", _U64),
        # Odd while a runtime's page is being folded into the lasting totals.
        ("totals_sequence", _U64),
        # A node under a virtual clock: 1, and the clock's time, which readers use instead of CLOCK_MONOTONIC.
        ("virtual_clock", _U64),
        ("virtual_now_ns", _U64),
        # Total time that its vCPUs spent on executions.
        ("virtual_vcpu_busy_ns", _U64),
    )


class FaultSlot(ctypes.Structure):
    """An injected fault; ``fault_id`` 0 is a free slot. Written under the lock of the table of faults."""

    _fields_ = (
        ("fault_id", _U64),
        ("cores", _U64),
        ("kind", _U32),
        ("side", _U32),
        ("error", _U32),
        ("reserved", _U32),
        ("ratio", ctypes.c_double),
        ("amount", ctypes.c_double),
        ("starts_ns", _U64),
        ("ends_ns", _U64),
        ("remaining", _U64),
        ("hits", _U64),
        ("version", ctypes.c_char * 32),
    )


class DeviceBlock(ctypes.Structure):
    """Device counters that outlive processes; written under the device's lock."""

    _fields_ = (
        ("sequence", _U64),
        ("ecc", _U64 * 4),
        ("link_bytes", _U64 * 2),
        ("reset_count", _U64),
        ("refused_reset_count", _U64),
    )


class CoreTotals(ctypes.Structure):
    """Totals of a core that outlive runtimes; a page is folded into them when it is released or reclaimed.

    ``cleared`` is the value of each counter, over ended and live runtimes, when it was last cleared: first the counters
    above, then the requested and the refused resets of the device. ``memory_peak`` is the most that a runtime used, by
    category and in total; a peak with an older ``peak_epoch`` than here was cleared since.
    """

    _fields_ = (
        ("busy_ns", _U64),
        ("flops", _U64),
        ("inference_count", _U64),
        ("model_load_count", _U64),
        ("status", _U64 * STATUS_COUNT),
        ("cleared", _U64 * COUNTER_COUNT),
        ("memory_peak", _U64 * PEAK_COUNT),
        ("peak_epoch", _U64 * PEAK_COUNT),
    )


class CoreBlock(ctypes.Structure):
    """One runtime on one core.

    ``busy_ns`` and ``flops`` include the whole backlog (work placed on the core that ends at ``free_at_ns``);
    the part that is done at a given time follows from ``backlog_*``, see :func:`busy_done`.
    """

    _fields_ = (
        ("busy_ns", _U64),
        ("flops", _U64),
        ("free_at_ns", _U64),
        ("backlog_ns", _U64),
        ("backlog_flops", _U64),
        ("inference_count", _U64),
        ("model_load_count", _U64),
        ("status", _U64 * STATUS_COUNT),
        ("memory", _U64 * 5),
        ("memory_peak", _U64 * PEAK_COUNT),
        ("peak_epoch", _U64 * PEAK_COUNT),
    )


class DeviceUse(ctypes.Structure):
    """One runtime on one device: DRAM by channel, bytes sent East and West."""

    _fields_ = (("dram_bytes", _U64 * DRAM_CHANNELS), ("link_bytes", _U64 * 2))


class ModelSlot(ctypes.Structure):
    """A loaded model; ``model_id`` 0 is a free slot."""

    _fields_ = (
        ("model_id", _U32),
        ("running", _U32),
        ("first_subgraph", _U32),
        ("subgraph_count", _U32),
        ("uuid", ctypes.c_char * 32),
        ("name", ctypes.c_char * 256),
    )


class SubgraphSlot(ctypes.Structure):
    """The part of a model on one core; ``used`` 0 is a free slot."""

    _fields_ = (
        ("used", _U32),
        ("core", _U32),
        ("host_memory", _U64 * 4),
        ("device_memory", _U64 * 4),
    )


class HistogramHead(ctypes.Structure):
    """Sum of the latencies and the range of used buckets (``low`` > ``high``: none)."""

    _fields_ = (("sum_ns", _U64), ("low", _U64), ("high", _U64))


class Page(ctypes.Structure):
    """One runtime process."""

    _fields_ = (
        ("sequence", _U64),
        ("state", _U32),
        ("pid", _U32),
        ("start_ns", _U64),
        ("owned_cores", _U64),
        ("uid", _U32),
        ("model_high_water", _U32),
        ("models_generation", _U64),
        ("executions", _U64 * 6),
        ("errors", _U64 * 6),
        ("host_memory", _U64 * 4),
        ("latency", HistogramHead * 2),
        ("devices", DeviceUse * MAX_DEVICES),
        ("cores", CoreBlock * MAX_CORES),
        ("version", ctypes.c_char * 32),
        ("address", ctypes.c_char * 256),
        ("framework", ctypes.c_char * 64),
        ("tag", ctypes.c_char * 1024),
        ("command", ctypes.c_char * 2048),
        # Slots of subgraphs that were ever used.
        ("subgraph_high_water", _U64),
        ("buckets", (_U64 * BUCKET_COUNT) * 2),
        # Last: slots beyond the high-water marks have undefined content, and no disk space until they are used.
        ("models", ModelSlot * MAX_MODELS),
        ("subgraphs", SubgraphSlot * MAX_SUBGRAPHS),
    )


def _aligned(size_bytes: int) -> int:
    return -(-size_bytes // 4096) * 4096


DEVICES_OFFSET = _aligned(ctypes.sizeof(FileHeader))
TOTALS_OFFSET = DEVICES_OFFSET + ctypes.sizeof(DeviceBlock) * MAX_DEVICES
FAULTS_OFFSET = TOTALS_OFFSET + ctypes.sizeof(CoreTotals) * MAX_CORES
PAGES_OFFSET = _aligned(FAULTS_OFFSET + ctypes.sizeof(FaultSlot) * MAX_FAULTS)
PAGE_BYTES = _aligned(ctypes.sizeof(Page))
PAGE_HEAD_BYTES = Page.models.offset
"""Of a page, without its model table."""
FILE_BYTES = PAGES_OFFSET + PAGE_BYTES * PAGE_COUNT


def page_offset(index: int) -> int:
    """Byte offset of page ``index`` in the file."""
    return PAGES_OFFSET + PAGE_BYTES * index


def backlog_left_ns(free_at_ns: int, backlog_ns: int, now_ns: int) -> int:
    """Busy time that remains for a core at ``now_ns``: its backlog, less the part that has passed."""
    return min(backlog_ns, max(0, free_at_ns - now_ns))


def busy_done(
    busy_ns: int, flops: int, free_at_ns: int, backlog_ns: int, backlog_flops: int, now_ns: int
) -> tuple[int, int]:
    """Busy nanoseconds and FLOPs of a core up to ``now_ns``: a running execution counts for the part already done.

    Neither decreases as ``now_ns`` grows or as work is added.
    """
    left_ns = backlog_left_ns(free_at_ns, backlog_ns, now_ns)
    if not left_ns:
        return busy_ns, flops
    # Rounded up, as the writer does when it adds work, so that both agree exactly.
    return busy_ns - left_ns, flops + (-backlog_flops * left_ns // backlog_ns)
