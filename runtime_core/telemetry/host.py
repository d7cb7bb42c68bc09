"""Figures of the host, read with psutil: those of the machine that runs this code, for real and simulated nodes."""

from __future__ import annotations

import os
import time

import psutil

from runtime_core.telemetry.snapshot import CpuTimes, Host, VcpuTimes

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_MOST_STAT_BYTES = 4096
"""About 50 numbers and a name of 15 characters."""


def read_host() -> Host:
    """Read the host's figures."""
    vcpus = tuple(
        VcpuTimes(
            t.user,
            getattr(t, "nice", 0.0),
            t.system,
            t.idle,
            getattr(t, "iowait", 0.0),
            getattr(t, "irq", 0.0),
            getattr(t, "softirq", 0.0),
        )
        for t in psutil.cpu_times(percpu=True)
    )
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    return Host(
        time.monotonic_ns(),
        vcpus,
        psutil.cpu_stats().ctx_switches,
        memory.total,
        memory.total - memory.available,
        swap.total,
        swap.used,
    )


def read_process_cpu(pid: int) -> CpuTimes | None:
    """Return the CPU seconds used by a process and its threads, or ``None`` if it has ended or is not visible.

    Reads ``/proc/PID/stat`` directly: psutil reads several files per process, and a node can have 64 processes.
    """
    try:
        # Without the buffers of a Python file, which cost as much as the reading.
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            fields = os.read(descriptor, _MOST_STAT_BYTES).rpartition(b")")[2].split()
        finally:
            os.close(descriptor)
        return CpuTimes(int(fields[11]) / _TICKS_PER_SECOND, int(fields[12]) / _TICKS_PER_SECOND)
    except (OSError, ValueError, IndexError):
        return None
