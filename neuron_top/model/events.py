"""What happened between two looks, in words."""

from __future__ import annotations

import enum
from typing import NamedTuple

from neuron_top.model.moment import Moment
from runtime_core.telemetry import format_ranges
from runtime_core.telemetry.snapshot import EccCounts, Runtime

MAX_EVENTS = 1000


class Severity(enum.Enum):
    """How much an event matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Event(NamedTuple):
    """Something that happened. ``where``: a tag and pid, a device, or the node."""

    wall_time_ns: int
    severity: Severity
    where: str
    text: str


_OUTCOMES = {
    "completed_with_err": ("completed with an error", Severity.ERROR),
    "completed_with_num_err": ("completed with a numerical error", Severity.WARNING),
    "timed_out": ("timed out", Severity.ERROR),
    "incorrect_input": ("had incorrect input", Severity.WARNING),
    "failed_to_queue": ("failed to queue", Severity.ERROR),
}
_ECC = {
    "mem_ecc_corrected": ("corrected ECC event in DRAM", Severity.WARNING),
    "mem_ecc_uncorrected": ("uncorrected ECC event in DRAM", Severity.ERROR),
    "sram_ecc_corrected": ("corrected ECC event in SRAM", Severity.WARNING),
    "sram_ecc_uncorrected": ("uncorrected ECC event in SRAM", Severity.ERROR),
}


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _where(runtime: Runtime) -> str:
    known = runtime.pid and runtime.tag != str(runtime.pid)
    return f"{runtime.tag} ({runtime.pid})" if known else runtime.tag


def _came_and_went(before: Moment, after: Moment) -> list[Event]:
    time_ns = after.snapshot.wall_time_ns
    earlier = {r.key: r for r in before.snapshot.runtimes}
    now = {r.key: r for r in after.snapshot.runtimes}
    events = []
    for key, runtime in now.items():
        if key not in earlier:
            cores = format_ranges(sorted(runtime.cores))
            text = f"runtime started on NeuronCores {cores}" if cores else "runtime started"
            events.append(Event(time_ns, Severity.INFO, _where(runtime), text))
        if runtime.error and (key not in earlier or earlier[key].error != runtime.error):
            events.append(Event(time_ns, Severity.WARNING, _where(runtime), runtime.error))
    events += [Event(time_ns, Severity.INFO, _where(r), "runtime ended") for k, r in earlier.items() if k not in now]
    return events


def _executions(after: Moment) -> list[Event]:
    if after.rates is None:
        return []
    events = []
    for runtime in after.snapshot.runtimes:
        rate = after.rates.runtimes.get(runtime.key)
        if rate is None or rate.executions is None:
            continue
        for field, (words, severity) in _OUTCOMES.items():
            count: int = getattr(rate.executions, field)
            if count:
                text = f"{_many(count, 'execution')} {words}"
                events.append(Event(after.snapshot.wall_time_ns, severity, _where(runtime), text))
    return events


def _ecc(after: Moment) -> list[Event]:
    if after.rates is None:
        return []
    events = []
    for device, counts in after.rates.ecc.items():
        for field, (words, severity) in _ECC.items():
            count: int | None = getattr(counts, field) if isinstance(counts, EccCounts) else None
            if count:
                events.append(Event(after.snapshot.wall_time_ns, severity, f"ND{device}", _many(count, words)))
    return events


def events_between(before: Moment | None, after: Moment) -> tuple[Event, ...]:
    """Runtimes that started and ended, executions that failed, ECC events."""
    if before is None:
        count = len(after.snapshot.runtimes)
        text = f"watching {after.snapshot.source}: {_many(count, 'runtime')}"
        time_ns = after.snapshot.wall_time_ns
        problems = [Event(time_ns, Severity.WARNING, _where(r), r.error) for r in after.snapshot.runtimes if r.error]
        return (Event(time_ns, Severity.INFO, "node", text), *problems)
    return (*_came_and_went(before, after), *_executions(after), *_ecc(after))
