"""The table of Neuron processes."""

from __future__ import annotations

import functools
from typing import NamedTuple

from neuron_console.units import NOT_AVAILABLE, format_bytes, format_latency
from neuron_top.formatting import format_percent, format_rate
from neuron_top.model.history import device_bytes, executions_per_second, utilization
from neuron_top.model.moment import NO_LATENCY, Moment, RuntimeKey
from neuron_top.model.table import Column, matches
from runtime_core.telemetry import format_ranges
from runtime_core.telemetry.snapshot import Runtime


class Process(NamedTuple):
    """One runtime process; ``None`` where a figure is not available; ``address`` is that of a neuron-rtd, else ""."""

    key: RuntimeKey
    pid: int
    user: str
    tag: str
    address: str
    command: str
    cores: tuple[int, ...]
    utilization: float | None
    executions_per_second: float | None
    p99_ns: float | None
    host_bytes: int | None
    device_bytes: int | None
    error_count: int | None
    version: str
    problem: str
    framework: str = ""


@functools.cache
def user_name(uid: int) -> str:
    """The user's name, or its number where it has none; a negative number is not a user's."""
    import pwd

    if uid < 0:
        return NOT_AVAILABLE

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _error_count(runtime: Runtime) -> int | None:
    """Executions since its start that did not complete well."""
    return None if runtime.executions is None else sum(runtime.executions) - runtime.executions.completed


def _process(moment: Moment, runtime: Runtime) -> Process:
    return Process(
        runtime.key,
        runtime.pid,
        user_name(runtime.uid),
        runtime.tag,
        runtime.address,
        runtime.command,
        tuple(sorted(runtime.cores)),
        utilization(moment, runtime.key),
        executions_per_second(moment, runtime.key),
        moment.latency.get(runtime.key, NO_LATENCY).p99_ns,
        runtime.host_memory.total_bytes if runtime.host_memory is not None else None,
        device_bytes(runtime),
        _error_count(runtime),
        runtime.version,
        runtime.error,
        runtime.framework,
    )


def make_processes(moment: Moment, needle: str = "") -> tuple[Process, ...]:
    """The processes whose pid, user, tag or command the filter names."""
    every = (_process(moment, runtime) for runtime in moment.snapshot.runtimes)
    return tuple(p for p in every if matches(needle, str(p.pid), p.user, p.tag, p.address, p.command))


def _pid(pid: int) -> str:
    return str(pid) if pid else NOT_AVAILABLE


def _count(value: int | None) -> str:
    return NOT_AVAILABLE if value is None else str(value)


def _what(process: Process) -> str:
    """Why it cannot be read, else a neuron-rtd's address or the framework, and the command line."""
    parts = (process.address, process.framework, process.command)
    return process.problem or "  ".join(part for part in parts if part)


# The first eight fit into 80 columns.
COLUMNS: tuple[Column[Process], ...] = (
    Column("PID", 7, lambda p: _pid(p.pid), lambda p: p.pid or None, numeric=True),
    Column("TAG", 16, lambda p: p.tag, lambda p: p.tag),
    Column("CORES", 9, lambda p: format_ranges(p.cores) or "-", lambda p: len(p.cores), numeric=True),
    Column("UTIL", 7, lambda p: format_percent(p.utilization), lambda p: p.utilization, numeric=True),
    Column("EXEC", 8, lambda p: format_rate(p.executions_per_second), lambda p: p.executions_per_second, numeric=True),
    Column("P99", 9, lambda p: format_latency(p.p99_ns), lambda p: p.p99_ns, numeric=True),
    Column("DEVICE", 10, lambda p: format_bytes(p.device_bytes), lambda p: p.device_bytes, numeric=True),
    Column("ERR", 6, lambda p: _count(p.error_count), lambda p: p.error_count, numeric=True),
    Column("HOST", 10, lambda p: format_bytes(p.host_bytes), lambda p: p.host_bytes, numeric=True),
    Column("USER", 9, lambda p: p.user, lambda p: p.user),
    Column("RUNTIME", 8, lambda p: p.version or NOT_AVAILABLE, lambda p: p.version),
    Column("COMMAND", 20, _what, lambda p: p.command),
)
