"""Events between two looks, in words; repetitions are one event with a count and a time span."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from neuron_console.units import format_span
from neuron_top.formatting import format_clock
from neuron_top.model.moment import Moment
from runtime_core.telemetry import Severity as Grade
from runtime_core.telemetry import Verdict, VerdictKind, format_ranges
from runtime_core.telemetry.health import RULES, Place
from runtime_core.telemetry.rates import RuntimeRate
from runtime_core.telemetry.snapshot import Runtime

MAX_EVENTS = 1000
MAX_REPEATS = 600
_FOLD_NS = 60 * 10**9
"""What happens again within this time is the same event."""


class Severity(enum.Enum):
    """Severity of an event."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Event(NamedTuple):
    """Something that happened.

    Attributes:
        where: a tag and pid, a device, a core, or the node.
        text: what; of a ``counted`` event a template with a plural ``{s}``.
        times: how often.
        place: where to look; ``None`` for the node.
        runbook: the section of the runbooks that says what to do, "" for none.
        last_ns: Unix time of the last repetition, 0 for an event by itself.
    """

    wall_time_ns: int
    severity: Severity
    where: str
    text: str
    times: int = 1
    place: Place | None = None
    runbook: str = ""
    last_ns: int = 0
    counted: bool = False

    @property
    def words(self) -> str:
        """The text, in the plural where it happened more than once."""
        return self.text.format(s="" if self.times == 1 else "s") if self.counted else self.text

    @property
    def span(self) -> str:
        """When: ``00:28:28``, or ``00:28:28-00:28:56`` for what went on."""
        first, last = format_clock(self.wall_time_ns), format_clock(max(self.last_ns, self.wall_time_ns))
        return first if first == last else f"{first}-{last}"


_OUTCOMES = {
    "completed_with_err": ("failed", Severity.ERROR),
    "completed_with_num_err": ("had numerical errors", Severity.WARNING),
    "timed_out": ("timed out", Severity.ERROR),
    "incorrect_input": ("had incorrect input", Severity.WARNING),
    "failed_to_queue": ("failed to queue", Severity.ERROR),
}
_CLASSES = {
    "completed_with_err": ("generic", "model", "runtime", "hardware"),
    "failed_to_queue": ("transient",),
}
"""The classes of errors behind an outcome, which the text names."""

_ECC = {
    "mem_ecc_corrected": ("ECC corrected in DRAM", Severity.WARNING, VerdictKind.ECC_CORRECTED),
    "mem_ecc_uncorrected": ("ECC uncorrected in DRAM", Severity.ERROR, VerdictKind.ECC_UNCORRECTED),
    "sram_ecc_corrected": ("ECC corrected in SRAM", Severity.WARNING, VerdictKind.ECC_CORRECTED),
    "sram_ecc_uncorrected": ("ECC uncorrected in SRAM", Severity.ERROR, VerdictKind.ECC_UNCORRECTED),
    "mem_ecc_repairable_uncorrected": (
        "ECC uncorrected (repairable) in DRAM", Severity.ERROR, VerdictKind.ECC_UNCORRECTED,
    ),
}  # fmt: skip
_TOLD_BY_COUNTS = frozenset(
    {VerdictKind.ECC_CORRECTED, VerdictKind.ECC_UNCORRECTED, VerdictKind.TIMEOUTS, VerdictKind.ERRORS,
     VerdictKind.RUNTIME_UNREADABLE}
)  # fmt: skip
"""These verdicts are events by what they count."""

_GRADES = {Grade.NOTICE: Severity.INFO, Grade.WARNING: Severity.WARNING, Grade.CRITICAL: Severity.ERROR}
_FAILURES = RULES[VerdictKind.ERRORS].runbook


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _where(runtime: Runtime) -> str:
    known = runtime.pid and runtime.tag != str(runtime.pid)
    return f"{runtime.tag} ({runtime.pid})" if known else runtime.tag


def _came_and_went(before: Moment, after: Moment) -> Iterator[Event]:
    time_ns = after.snapshot.wall_time_ns
    earlier = {r.key: r for r in before.snapshot.runtimes}
    now = {r.key: r for r in after.snapshot.runtimes}
    for key, runtime in now.items():
        place = Place(pid=runtime.pid)
        if key not in earlier:
            cores = format_ranges(sorted(runtime.cores))
            text = f"runtime started on NeuronCores {cores}" if cores else "runtime started"
            yield Event(time_ns, Severity.INFO, _where(runtime), text, place=place)
        if runtime.error and (key not in earlier or earlier[key].error != runtime.error):
            runbook = RULES[VerdictKind.RUNTIME_UNREADABLE].runbook
            text = runtime.error
            yield Event(time_ns, Severity.WARNING, _where(runtime), text, place=place, runbook=runbook)
    for key, runtime in earlier.items():
        if key not in now:
            yield Event(time_ns, Severity.INFO, _where(runtime), "runtime ended")


def _classes(field: str, rate: RuntimeRate) -> list[str]:
    """The classes of the errors behind an outcome. Timeouts and bad input are generic errors too."""
    if rate.errors is None or rate.executions is None:
        return []
    others = rate.executions.timed_out + rate.executions.incorrect_input
    counts = rate.errors._replace(generic=rate.errors.generic - others)
    return [name for name in _CLASSES.get(field, ()) if getattr(counts, name) > 0]


_BROKEN = frozenset({VerdictKind.LINK_DOWN, VerdictKind.ECC_UNCORRECTED, VerdictKind.DEVICE_LOST})


def _cause(runtime: Runtime, moment: Moment) -> str:
    """The runbook of what is broken where a runtime has hardware errors."""
    found = (v.runbook for v in moment.health if v.kind in _BROKEN and v.where.tag == runtime.tag)
    return next(found, _FAILURES)


def _executions(after: Moment) -> Iterator[Event]:
    if after.rates is None:
        return
    hung = after.faults.hung
    for runtime in after.snapshot.runtimes:
        rate = after.rates.runtimes.get(runtime.key)
        if rate is None or rate.executions is None:
            continue
        stuck = [core for core in runtime.cores if core in hung]
        cores = stuck or sorted(runtime.cores)
        place = Place(core=stuck[0] if stuck else None, pid=runtime.pid)
        for field, (words, severity) in _OUTCOMES.items():
            count: int = getattr(rate.executions, field)
            if not count:
                continue
            kinds = _classes(field, rate)
            classes = f" ({', '.join(kinds)})" if kinds else ""
            text = f"execution{{s}} {words}{classes} on nc{format_ranges(cores)}"
            runbook = _cause(runtime, after) if "hardware" in kinds else _FAILURES
            if stuck and field == "timed_out":
                runbook = RULES[VerdictKind.CORE_HUNG].runbook
            time_ns = after.snapshot.wall_time_ns
            yield Event(time_ns, severity, _where(runtime), text, count, place, runbook, counted=True)


def _ecc(after: Moment) -> Iterator[Event]:
    if after.rates is None:
        return
    for device, counts in after.rates.ecc.items():
        for field, (text, severity, kind) in _ECC.items():
            count: int | None = getattr(counts, field)
            if count:
                time_ns = after.snapshot.wall_time_ns
                yield Event(
                    time_ns, severity, f"ND{device}", text, count, Place(device), RULES[kind].runbook, counted=True
                )


def place_name(place: Place) -> str:
    """A core, device, link or runtime in a word."""
    if place.core is not None:
        return f"nc{place.core}" + (f" ({place.tag})" if place.tag else "")
    if place.link is not None:
        return f"ND{place.link[0]}-ND{place.link[1]}"
    if place.device is not None:
        return f"ND{place.device}"
    return f"{place.tag} ({place.pid})" if place.pid else "node"


def _verdicts(before: Moment | None, after: Moment) -> Iterator[Event]:
    """What began to be wrong, and what no longer is."""
    had: dict[object, Verdict] = {v.key: v for v in before.health} if before is not None else {}
    now: dict[object, Verdict] = {v.key: v for v in after.health}
    time_ns = after.snapshot.wall_time_ns
    for key, verdict in now.items():
        known = verdict.kind in _TOLD_BY_COUNTS and (before is not None or verdict.since_ns is not None)
        if key not in had and not known:
            began_ns = verdict.since_ns if verdict.since_ns is not None else after.snapshot.time_ns
            then_ns = time_ns - (after.snapshot.time_ns - began_ns)
            older = verdict.since_ns is None or verdict.older
            text = verdict.text + (", before this screen was opened" if older else "")
            yield Event(then_ns, _GRADES[verdict.severity], place_name(verdict.where), text,
                        place=verdict.where, runbook=verdict.runbook)  # fmt: skip
    for key, verdict in had.items():
        if key not in now and RULES[verdict.kind].lasts and verdict.kind not in _TOLD_BY_COUNTS:
            lasted = format_span((after.snapshot.time_ns - (verdict.since_ns or 0)) / 1e9)
            text = f"over after {'more than ' if verdict.older else ''}{lasted}: {verdict.text}"
            yield Event(time_ns, Severity.INFO, place_name(verdict.where), text, place=verdict.where)


def events_between(before: Moment | None, after: Moment) -> tuple[Event, ...]:
    """Runtimes that started and ended, executions that failed, ECC events, what began and ceased to be wrong."""
    if before is None:
        count = len(after.snapshot.runtimes)
        text = f"watching {after.snapshot.source}: {_many(count, 'runtime')}"
        time_ns = after.snapshot.wall_time_ns
        problems = [Event(time_ns, Severity.WARNING, _where(r), r.error) for r in after.snapshot.runtimes if r.error]
        return (Event(time_ns, Severity.INFO, "node", text), *problems, *_verdicts(None, after))
    return (*_came_and_went(before, after), *_executions(after), *_ecc(after), *_verdicts(before, after))


class _Folded:
    """One event and its repetitions."""

    __slots__ = ("dropped", "event", "times", "total")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.times: deque[tuple[int, int]] = deque([(event.wall_time_ns, event.times)], MAX_REPEATS)
        self.dropped = 0
        self.total = event.times

    def add(self, event: Event) -> None:
        if len(self.times) == MAX_REPEATS:
            self.dropped += self.times[0][1]
        self.times.append((event.wall_time_ns, event.times))
        self.total += event.times

    def until(self, wall_ns: int | None) -> Event:
        if wall_ns is None:
            return self.event._replace(times=max(1, self.total), last_ns=self.times[-1][0])
        times = [t for t in self.times if t[0] <= wall_ns]
        count = self.dropped + sum(n for _, n in times)
        last_ns = times[-1][0] if times else self.event.wall_time_ns
        return self.event._replace(times=max(1, count), last_ns=last_ns)


class EventLog:
    """The events of a session, folded; the oldest go when there are too many."""

    def __init__(self) -> None:
        """Start without events."""
        self._folded: deque[_Folded] = deque(maxlen=MAX_EVENTS)
        self._open: dict[tuple[str, str], _Folded] = {}
        self._latest: list[Event] | None = None
        self.severe = 0
        """Events that are no mere information, each counted once however often it repeats."""

    def extend(self, events: tuple[Event, ...]) -> None:
        """Add events."""
        if events:
            self._latest = None
        for event in events:
            key = event.where, event.text
            folded = self._open.get(key)
            # Only what is counted repeats: two starts of a runtime are two events.
            if event.counted and folded is not None and event.wall_time_ns - folded.times[-1][0] <= _FOLD_NS:
                folded.add(event)
                continue
            self._open[key] = made = _Folded(event)
            self._folded.append(made)
            self.severe += event.severity is not Severity.INFO
            if len(self._open) > 2 * MAX_EVENTS:
                self._open = {(f.event.where, f.event.text): f for f in self._folded}

    def shown(self, until_ns: int | None = None) -> Sequence[Event]:
        """Return the events up to a Unix time (``None``: all), as they were known then, ordered by their last time."""
        if until_ns is None and self._latest is not None:
            return self._latest
        found = [f.until(until_ns) for f in self._folded if until_ns is None or f.event.wall_time_ns <= until_ns]
        found.sort(key=lambda event: event.last_ns)
        if until_ns is None:
            self._latest = found
        return found
