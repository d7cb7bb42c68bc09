"""What the metrics are made of, however it was learned: from snapshots in this process, or from lines of the stream."""

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
    """What a runtime counted since it started (or since the stream began); ``None`` where nobody counts it."""

    errors: Counts | None = None
    executions: Counts | None = None
    durations: Histogram | None = None


class RuntimeSeen(NamedTuple):
    """A live runtime.

    Attributes:
        key: tells it from any other that has, or had, the same pid.
        since_seconds: Unix time from which ``counters`` count.
        groups: the last known of each metric group.
        counters: cumulative.
        error: why it could not be read, "" when it could.
    """

    key: tuple[int, int]
    tag: str
    since_seconds: float
    groups: out.RuntimeReport
    counters: Counters
    error: str


class Problem(NamedTuple):
    """One thing that is wrong: notice, warning or critical; in a few words; and the section of the runbooks."""

    severity: str
    text: str
    runbook: str


class NodeSeen(NamedTuple):
    """The node at the time of a report.

    Attributes:
        instance, hardware: who and what it is.
        runtimes: those alive.
        vcpu, memory: the host's figures, ``None`` when they are not known.
        ecc: device index -> cumulative events by :data:`ECC_EVENTS`.
        since_seconds: Unix time from which ``ecc`` counts.
        devices: with links and memory; only where the node itself is read.
        owners: global core index -> (tag, pid) of the runtime that owns it.
        monotonic_seconds: when it was seen, by the monotonic clock.
        error: why the node could not be read, "" when it could.
        pods: global core index -> the containers that use it; only where the kubelet is asked.
        jobs: global core index -> the Slurm job that uses it; only where they are asked for.
        unclear: cores of devices that a runtime uses which cannot be read: whether they are busy is not known.
        problems: what is wrong, the worst first; ``None`` where only reports are known.
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
    """The instance labels' values, in the order of :data:`.table.INSTANCE_LABELS`."""
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
    """The events of a device in the order of :data:`ECC_EVENTS`."""
    return tuple(getattr(device, event) for event in ECC_EVENTS)


def plus(one: Counts | None, other: Counts | None) -> Counts | None:
    """Element by element; what one side does not know is what the other knows."""
    if one is None or other is None:
        return other if one is None else one
    return tuple(b if a is None else a if b is None else a + b for a, b in zip(one, other, strict=True))


def merge_groups(known: out.RuntimeReport, new: out.RuntimeReport) -> None:
    """Take over into ``known`` each group of ``new``; one that was not due stays as it was."""
    for name in out.RuntimeReport.__struct_fields__:
        group = getattr(new, name)
        if group is not UNSET:
            setattr(known, name, group)
