"""Figures of the host of a simulated node."""

from __future__ import annotations

from runtime_core.instance import InstanceType
from runtime_core.telemetry.snapshot import (
    CpuTimes,
    Host,
    VcpuTimes,
)


def virtual_host(size: InstanceType, time_ns: int, busy_ns: int) -> Host:
    """Return the host under a virtual clock: load spread evenly over its vCPUs, memory of the instance type."""
    busy = busy_ns / 1e9 / size.vcpu_count
    vcpu = VcpuTimes(busy, 0.0, 0.0, max(0.0, time_ns / 1e9 - busy), 0.0, 0.0, 0.0)
    return Host(time_ns, (vcpu,) * size.vcpu_count, None, size.host_memory_gib << 30, None, None, None)


def host_now() -> Host:
    """Return the vCPU, memory and swap figures of the real host."""
    from runtime_core.telemetry.host import read_host

    return read_host()


def process_cpu(pid: int) -> CpuTimes | None:
    """Return the CPU time of a process, or ``None`` if it is unknown."""
    from runtime_core.telemetry.host import read_process_cpu

    return read_process_cpu(pid)
