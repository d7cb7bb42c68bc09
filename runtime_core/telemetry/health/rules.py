"""The rules of health: what can be wrong with a node, and how each kind of verdict is worded and held."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

RUNBOOKS = "docs/how-to/runbooks.md"
"""Every verdict names a section of it."""

MEMORY_NEARLY_FULL_RATIO = 0.9

OLDEST_DRIVER = 2
"""Major version of the Neuron driver that Runtime 2.x requires."""

SECOND_NS = 1_000_000_000


class Severity(enum.IntEnum):
    """Urgency of a verdict."""

    NOTICE = 1
    WARNING = 2
    CRITICAL = 3


class VerdictKind(enum.StrEnum):
    """Kinds of problems."""

    CORE_HUNG = "core-hung"
    DEVICE_LOST = "device-lost"
    LINK_DOWN = "link-down"
    ECC_UNCORRECTED = "ecc-uncorrected"
    DRIVER_MISSING = "driver-missing"
    TIMEOUTS = "timeouts"
    ERRORS = "errors"
    LOADS_FAIL = "loads-fail"
    MEMORY_NEARLY_FULL = "memory-nearly-full"
    RUNTIME_UNREADABLE = "runtime-unreadable"
    DRIVER_OLD = "driver-old"
    LINK_SLOW = "link-slow"
    ECC_CORRECTED = "ecc-corrected"
    SLOW = "slow"


class Place(NamedTuple):
    """The place of a problem; ``None`` or "" for fields that do not apply.

    Attributes:
        device: Neuron Device index.
        core: global NeuronCore index.
        link: the two devices that it joins, the sending one first.
        pid, tag: the affected runtime, or the one that causes it.
    """

    device: int | None = None
    core: int | None = None
    link: tuple[int, int] | None = None
    pid: int | None = None
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One problem.

    Attributes:
        since_ns: node clock (as ``Snapshot.time_ns``); ``None``: before the first snapshot, at an unknown time.
        amount: events so far, events per second, a ratio or a factor, as ``text`` says; ``None`` if there is none.
        text: a short description, without the runtime and the time; see :func:`phrase`.
        runbook: the fragment of its section in ``docs/how-to/runbooks.md``.
        detail: the class of errors, or the reason why a runtime cannot be read.
        older: whether the first snapshot already had it, so that it began at an unknown time before ``since_ns``.
    """

    kind: VerdictKind
    severity: Severity
    where: Place
    since_ns: int | None
    amount: float | None
    text: str
    runbook: str
    detail: str = ""
    older: bool = False

    @property
    def key(self) -> tuple[object, ...]:
        """The identity of the problem, constant while it lasts."""
        return self.kind, self.where.device, self.where.core, self.where.link, self.where.pid, _class_of(self)


def _class_of(verdict: Verdict) -> str:
    return verdict.detail if verdict.kind is VerdictKind.ERRORS else ""


def format_seconds(seconds: float) -> str:
    """A duration in short form: ``14 s``, ``3 min``, ``2 h``."""
    whole = max(0, round(seconds))
    for size, unit in ((1, "s"), (60, "min"), (3600, "h"), (86400, "d")):
        if whole < size * (60 if size < 3600 else 48):
            return f"{whole // size} {unit}"
    return f"{whole // 86400} d"


def phrase(verdict: Verdict, now_ns: int) -> str:
    """A short description with the duration and the affected application: ``nc20 hung 14 s (batch-embed)``.

    The duration is a lower bound, ``over 14 s``, or is omitted, if the beginning was not seen.
    """
    text = verdict.text
    if RULES[verdict.kind].lasts and verdict.since_ns is not None:
        lasted = format_seconds((now_ns - verdict.since_ns) / SECOND_NS)
        if not verdict.older:
            text += f" {lasted}"
        elif now_ns > verdict.since_ns:
            text += f" over {lasted}"
    tag = verdict.where.tag
    return f"{text} ({tag})" if tag and not text.startswith(tag) else text


class Rule(NamedTuple):
    """How long one kind of verdict is held, and how it is worded.

    Attributes:
        hold_seconds: how long it is reported after it was last true, so that an event is visible for some time.
        sums: "total": ``amount`` is the events since it began; "rate": events per second; "": the last figure.
        lasts: whether its duration is reported.
        text: the description, from the place, the amount and the detail.
    """

    severity: Severity
    hold_seconds: float
    runbook: str
    sums: str
    lasts: bool
    text: Callable[[Place, float, str], str]


def _count(amount: float, one: str, many: str) -> str:
    return f"{amount:.0f} {one if round(amount) == 1 else many}"


def _rate(amount: float) -> str:
    return f"{amount:.3g}" if amount < 1000 else f"{amount:.0f}"


def _link(place: Place) -> str:
    one, other = place.link or (0, 0)
    return f"link ND{one}-ND{other}"


def _name(place: Place) -> str:
    return place.tag or f"pid {place.pid}"


RULES: dict[VerdictKind, Rule] = {
    VerdictKind.CORE_HUNG: Rule(
        Severity.CRITICAL, 0.0, "neuroncorehung", "", True, lambda p, a, d: f"nc{p.core} hung"
    ),
    VerdictKind.DEVICE_LOST: Rule(
        Severity.CRITICAL, 0.0, "neurondevicelost", "", True, lambda p, a, d: f"ND{p.device} lost"
    ),
    VerdictKind.LINK_DOWN: Rule(
        Severity.CRITICAL, 0.0, "neuronlinkdown", "", True, lambda p, a, d: f"{_link(p)} down"
    ),
    VerdictKind.ECC_UNCORRECTED: Rule(
        Severity.CRITICAL, 900.0, "neuroneccuncorrected", "total", False,
        lambda p, a, d: f"ND{p.device} ECC uncorrected {a:.0f}",
    ),
    VerdictKind.DRIVER_MISSING: Rule(
        Severity.CRITICAL, 0.0, "neurondrivermissing", "", True, lambda p, a, d: "no Neuron driver"
    ),
    VerdictKind.TIMEOUTS: Rule(
        Severity.WARNING, 10.0, "neuronerrorbudgetburnsfast", "total", False,
        lambda p, a, d: f"{_name(p)}: {_count(a, 'timeout', 'timeouts')}",
    ),
    VerdictKind.ERRORS: Rule(
        Severity.WARNING, 10.0, "neuronerrorbudgetburnsfast", "rate", False,
        lambda p, a, d: f"{_name(p)}: {_rate(a)} {d} errors/s",
    ),
    VerdictKind.LOADS_FAIL: Rule(
        Severity.WARNING, 60.0, "neuronloadsfail", "total", False,
        lambda p, a, d: f"nc{p.core}: {_count(a, 'model load', 'model loads')} failed",
    ),
    VerdictKind.MEMORY_NEARLY_FULL: Rule(
        Severity.WARNING, 0.0, "neurondevicememorynearlyfull", "", False,
        lambda p, a, d: f"ND{p.device} memory {a * 100:.0f}% full",
    ),
    VerdictKind.RUNTIME_UNREADABLE: Rule(
        Severity.WARNING, 0.0, "neuronruntimeunreadable", "", True, lambda p, a, d: f"{_name(p)} unreadable"
    ),
    VerdictKind.DRIVER_OLD: Rule(
        Severity.WARNING, 0.0, "neurondrivermissing", "", False,
        lambda p, a, d: f"driver {d} is older than {OLDEST_DRIVER}.0",
    ),
    VerdictKind.LINK_SLOW: Rule(
        Severity.WARNING, 0.0, "neuronlinkdown", "", True, lambda p, a, d: f"{_link(p)} slow"
    ),
    VerdictKind.ECC_CORRECTED: Rule(
        Severity.NOTICE, 60.0, "neuronecccorrected", "total", False,
        lambda p, a, d: f"ND{p.device} ECC corrected {a:.0f}",
    ),
    VerdictKind.SLOW: Rule(
        Severity.NOTICE, 5.0, "neuronlatencyoverobjective", "", True,
        lambda p, a, d: f"{_name(p)} slow: {a:.1f}x its usual device latency",
    ),
}  # fmt: skip
