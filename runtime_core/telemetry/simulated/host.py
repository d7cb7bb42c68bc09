"""Figures of the host of a simulated node."""

from __future__ import annotations

from runtime_core.instance import InstanceType
from runtime_core.telemetry.snapshot import (
    CpuTimes,
    Host,
    VcpuTimes,
)


def virtual_host(size: InstanceType, time_ns: int, busy_ns: int) -> Host:
    """The host under a virtual clock: work is spread evenly over its vCPUs, and its memory is the instance's."""
    busy = busy_ns / 1e9 / size.vcpu_count
    vcpu = VcpuTimes(busy, 0.0, 0.0, max(0.0, time_ns / 1e9 - busy), 0.0, 0.0, 0.0)
    return Host(time_ns, (vcpu,) * size.vcpu_count, None, size.host_memory_gib << 30, None, None, None)


def host_now() -> Host:
    """The real host's vCPU, memory and swap figures."""
    from runtime_core.telemetry.host import read_host

    return read_host()


def process_cpu(pid: int) -> CpuTimes | None:
    """CPU time of a process; ``None`` when it is unknown."""
    from runtime_core.telemetry.host import read_process_cpu

    return read_process_cpu(pid)
