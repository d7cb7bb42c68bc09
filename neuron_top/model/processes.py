"""The table of Neuron processes."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable
from typing import NamedTuple, Protocol, TypeVar

from neuron_console.units import NOT_AVAILABLE, format_bytes, format_latency
from neuron_top.formatting import format_percent, format_rate
from neuron_top.model.faults import Faults
from neuron_top.model.moment import NO_LATENCY, Moment, RuntimeKey
from neuron_top.model.overview import tab_names
from neuron_top.model.sample import device_bytes, executions_per_second, failures_per_second, utilization
from neuron_top.model.table import Column, matches
from runtime_core.telemetry import Severity, format_ranges
from runtime_core.telemetry.kubelet.pods import pods_of
from runtime_core.telemetry.snapshot import Runtime


class Process(NamedTuple):
    """One runtime process; ``None`` where a figure is not available. ``address``: of a neuron-rtd, else ""."""

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
    errors_per_second: float | None = None
    grade: Severity | None = None
    framework: str = ""
    pods: str = ""


class Application(NamedTuple):
    """How one runtime serves; ``grade``: the worst that is known of it."""

    key: RuntimeKey
    pid: int
    name: str
    executions_per_second: float | None
    p50_ns: float | None
    p99_ns: float | None
    errors_per_second: float | None
    grade: Severity | None


def make_applications(moment: Moment) -> tuple[Application, ...]:
    """Every runtime, the one that suffers most first: by verdicts, then errors, then p99."""
    faults = moment.faults
    names = tab_names(moment.snapshot)[1:]
    every = [
        Application(
            r.key,
            r.pid,
            name,
            executions_per_second(moment, r.key),
            (latency := moment.latency.get(r.key, NO_LATENCY)).p50_ns,
            latency.p99_ns,
            failures_per_second(moment, r.key),
            faults.grade(r.pid, r.tag),
        )
        for name, r in zip(names, moment.snapshot.runtimes, strict=True)
    ]
    return worst_first(every)


class _Suffers(Protocol):
    """What is sorted by how much it suffers."""

    @property
    def grade(self) -> Severity | None: ...

    @property
    def errors_per_second(self) -> float | None: ...

    @property
    def p99_ns(self) -> float | None: ...


_Any = TypeVar("_Any", bound=_Suffers)


def worst_first(rows: Iterable[_Any]) -> tuple[_Any, ...]:
    """Sort by problems, then errors, then p99. A process with a problem that completes no execution has no p99."""

    def order(row: _Any) -> tuple[float, float, float]:
        p99_ns = math.inf if row.p99_ns is None and row.grade is not None else row.p99_ns or 0.0
        return -(row.grade or 0), -(row.errors_per_second or 0.0), -p99_ns

    return tuple(sorted(rows, key=order))


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


def _process(moment: Moment, runtime: Runtime, faults: Faults) -> Process:
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
        failures_per_second(moment, runtime.key),
        faults.grade(runtime.pid, runtime.tag),
        runtime.framework,
        pods_of(runtime, moment.pods) if moment.pods else "",
    )


def make_processes(moment: Moment, needle: str = "") -> tuple[Process, ...]:
    """The processes whose pid, user, tag, pod, framework or command the filter names."""
    faults = moment.faults
    every = (_process(moment, runtime, faults) for runtime in moment.snapshot.runtimes)
    return tuple(
        p for p in every if matches(needle, str(p.pid), p.user, p.tag, p.address, p.framework, p.command, p.pods)
    )


def _pid(pid: int) -> str:
    return str(pid) if pid else NOT_AVAILABLE


def _count(value: int | None) -> str:
    return NOT_AVAILABLE if value is None else str(value)


_INTERPRETER = re.compile(r"(python|pypy)[0-9.]*$")


def short_command(command: str) -> str:
    """A command line by its base name and arguments, without an interpreter in front of the script."""
    words = command.split(" ")
    names = [words[0].rpartition("/")[2], *words[1:]]
    if len(names) > 1 and _INTERPRETER.match(names[0]):
        names = names[2:] if names[1] == "-m" and len(names) > 2 else names[1:]
        names[0] = names[0].rpartition("/")[2]
    return " ".join(names)


def _what(process: Process) -> str:
    """Why it cannot be read, else a neuron-rtd's address or the framework, and what the process runs."""
    parts = (process.address, process.framework, short_command(process.command))
    return process.problem or "  ".join(part for part in parts if part)


COLUMNS: tuple[Column[Process], ...] = (
    Column("PID", 7, lambda p: _pid(p.pid), lambda p: p.pid or None, numeric=True, sort_key="I"),
    Column("TAG", 16, lambda p: p.tag, lambda p: p.tag, sort_key="T"),
    Column("CORES", 7, lambda p: format_ranges(p.cores) or "-", lambda p: len(p.cores), numeric=True, sort_key="C"),
    Column("UTIL", 7, lambda p: format_percent(p.utilization), lambda p: p.utilization, numeric=True, sort_key="U"),
    Column("EXEC", 8, lambda p: format_rate(p.executions_per_second), lambda p: p.executions_per_second,
           numeric=True, sort_key="X"),
    Column("P99", 9, lambda p: format_latency(p.p99_ns), lambda p: p.p99_ns, numeric=True, sort_key="L"),
    Column("ERR/S", 8, lambda p: format_rate(p.errors_per_second), lambda p: p.errors_per_second,
           numeric=True, sort_key="E"),
    Column("ERRORS", 7, lambda p: _count(p.error_count), lambda p: p.error_count, numeric=True),
    Column("DEVICE", 10, lambda p: format_bytes(p.device_bytes), lambda p: p.device_bytes, numeric=True,
           sort_key="M"),
    Column("HOST", 10, lambda p: format_bytes(p.host_bytes), lambda p: p.host_bytes, numeric=True),
    Column("USER", 9, lambda p: p.user, lambda p: p.user),
    Column("RUNTIME", 8, lambda p: p.version or NOT_AVAILABLE, lambda p: p.version),
    Column("POD", 24, lambda p: p.pods, lambda p: p.pods or None),
    Column("COMMAND", 20, _what, lambda p: p.command),
)  # fmt: skip
NUMBERS = {column.title: number for number, column in enumerate(COLUMNS)}
_MAY_HIDE = ("USER", "RUNTIME")
_POD = NUMBERS["POD"]
_FAILING = (NUMBERS["ERR/S"], NUMBERS["ERRORS"])


def shown_columns(processes: tuple[Process, ...]) -> tuple[int, ...]:
    """Return the columns to show: those with the same text in all rows are hidden, and pods if there are none."""
    uniform = {NUMBERS[title] for title in _MAY_HIDE
               if len({COLUMNS[NUMBERS[title]].text(p) for p in processes}) < 2}  # fmt: skip
    if not any(p.pods for p in processes):
        uniform.add(_POD)
    return tuple(number for number in range(len(COLUMNS)) if number not in uniform)


def failing_columns(process: Process) -> tuple[int, ...]:
    """The columns of errors that are above 0."""
    return tuple(number for number in _FAILING if COLUMNS[number].order(process))
