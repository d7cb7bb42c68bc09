"""The input of the metrics, whether from snapshots in this process or from lines of the stream."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from msgspec import UNSET

from neuron_monitor import report as out
from runtime_core.telemetry import Histogram
from runtime_core.telemetry.snapshot import Device

Counts = tuple[int | None, ...]


class Counters(NamedTuple):
    """Counts of a runtime since it started (or since the stream began); ``None`` if unknown."""

    errors: Counts | None = None
    executions: Counts | None = None
    durations: Histogram | None = None


class RuntimeSeen(NamedTuple):
    """A live runtime.

    Attributes:
        key: distinguishes it from other runtimes with the same pid.
        since_seconds: Unix time at which ``counters`` began.
        groups: the latest state of each metric group.
        counters: cumulative counts.
        error: the reason why the runtime could not be read, or "".
    """

    key: tuple[int, int]
    tag: str
    since_seconds: float
    groups: out.RuntimeReport
    counters: Counters
    error: str


class Problem(NamedTuple):
    """A problem: severity (notice, warning or critical), short text, and section of the runbooks."""

    severity: str
    text: str
    runbook: str


class NodeSeen(NamedTuple):
    """The state of the node at the time of a report.

    Attributes:
        instance, hardware: identity and hardware of the instance.
        runtimes: live runtimes.
        vcpu, memory: figures of the host; ``None`` if unknown.
        ecc: device index -> cumulative events in the order of :data:`ECC_EVENTS`.
        since_seconds: Unix time at which ``ecc`` began.
        devices: devices with links and memory; only if the node itself is read.
        owners: global core index -> (tag, pid) of the runtime that owns the core.
        monotonic_seconds: monotonic time of the reading.
        error: the reason why the node could not be read, or "".
        pods: global core index -> containers that use the core; only with a kubelet.
        jobs: global core index -> Slurm job that uses the core; only if requested.
        unclear: cores of devices used by an unreadable runtime: whether they are busy is unknown.
        problems: problems of the node, the worst first; ``None`` if only reports are available.
    """

    instance: out.InstanceInfo
    hardware: out.HardwareInfo
    runtimes: tuple[RuntimeSeen, ...]
    vcpu: out.VcpuUsage | None
    memory: out.MemoryInfo | None
    ecc: dict[int, Counts]
    since_seconds: float
    devices: tuple[Device, ...]
    owners: dict[int, tuple[str, int]]
    monotonic_seconds: float
    error: str
    pods: Mapping[int, out.CoreUser] = MappingProxyType({})
    jobs: Mapping[int, str] = MappingProxyType({})
    problems: tuple[Problem, ...] | None = None
    unclear: frozenset[int] = frozenset()


def identity(instance: out.InstanceInfo) -> tuple[str, ...]:
    """Return the values of the instance labels, in the order of :data:`.table.INSTANCE_LABELS`."""
    return (
        instance.instance_name,
        instance.instance_id,
        instance.instance_type,
        instance.instance_availability_zone,
        instance.instance_region,
        instance.subnet_id,
    )


ECC_EVENTS = ("mem_ecc_corrected", "mem_ecc_uncorrected", "sram_ecc_corrected", "sram_ecc_uncorrected")


def ecc_counts(device: out.DeviceEcc) -> Counts:
    """Return the events of a device in the order of :data:`ECC_EVENTS`."""
    return tuple(getattr(device, event) for event in ECC_EVENTS)


def plus(one: Counts | None, other: Counts | None) -> Counts | None:
    """Add element by element; an element that is unknown on one side is taken from the other."""
    if one is None or other is None:
        return other if one is None else one
    return tuple(b if a is None else a if b is None else a + b for a, b in zip(one, other, strict=True))


def merge_groups(known: out.RuntimeReport, new: out.RuntimeReport) -> None:
    """Copy each group of ``new`` into ``known``; groups that were not due are kept."""
    for name in out.RuntimeReport.__struct_fields__:
        group = getattr(new, name)
        if group is not UNSET:
            setattr(known, name, group)
