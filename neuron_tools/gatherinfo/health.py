"""The health of the node: a check, and one line with an exit status for any scheduler (``--health``)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import msgspec

from neuron_console.text import printable
from neuron_tools.gatherinfo.finding import Finding, Surroundings, failed, passed, warned
from runtime_core.telemetry import NodeNotFoundError, Snapshot, Source, open_source
from runtime_core.telemetry.health import RUNBOOKS, HealthWatch, Severity, Verdict, VerdictKind, phrase

LOOK_SECONDS = 2.5
"""Seconds between two snapshots; a hang is visible only after more than two seconds."""

_LOOKS = 3

_CHECKED_ELSEWHERE = frozenset(
    {
        VerdictKind.ECC_UNCORRECTED,
        VerdictKind.DRIVER_MISSING,
        VerdictKind.DRIVER_OLD,
        VerdictKind.RUNTIME_UNREADABLE,
    }
)
"""Kinds that the checks of devices, driver and ownership report."""


class _Found(msgspec.Struct):
    kind: str
    severity: str
    text: str
    runbook: str


class _Health(msgspec.Struct):
    healthy: bool
    source: str
    verdicts: list[_Found]


def watch(source: Source, seconds: float) -> tuple[Snapshot, tuple[Verdict, ...]]:
    """Take snapshots for ``seconds``, and return the last one with the verdicts.

    Uncorrected ECC events are critical whenever they happened: a process that looks only for a moment cannot tell old
    events from those since the previous look.

    Raises:
        NodeError: the node cannot be read.
    """
    health = HealthWatch()
    for number in range(_LOOKS):
        if number:
            time.sleep(seconds / (_LOOKS - 1))
        snapshot = source.snapshot()
        verdicts = health.take(snapshot)
    return snapshot, tuple(
        replace(verdict, severity=Severity.CRITICAL) if verdict.kind is VerdictKind.ECC_UNCORRECTED else verdict
        for verdict in verdicts
    )


def check_health(around: Surroundings) -> Iterator[Finding]:
    """Report the problems that other checks do not report."""
    if around.snapshot is None:
        return
    sound = True
    for verdict in around.verdicts:
        if verdict.kind in _CHECKED_ELSEWHERE or verdict.severity < Severity.WARNING:
            continue
        sound = False
        report = failed if verdict.severity is Severity.CRITICAL else warned
        yield report("health", phrase(verdict, around.snapshot.time_ns), f"see {RUNBOOKS}#{verdict.runbook}")
    if sound:
        yield passed("health", "no link is down, and no core hangs")


def show_health(source_name: str | None, *, as_json: bool, seconds: float = LOOK_SECONDS) -> int:
    """Observe the node briefly and print its problems.

    Returns:
        0 for a healthy node, 1 for a critical problem or a missing node.
    """
    try:
        with closing(open_source(source_name)) as source:
            name = source.name
            snapshot, verdicts = watch(source, seconds)
    except NodeNotFoundError as error:
        if as_json:
            found = [_Found("driver-missing", "critical", str(error), "neurondrivermissing")]
            print(msgspec.json.encode(_Health(False, source_name or "", found)).decode())
        else:
            print(printable(f"unhealthy: {error}"))
        return 1
    healthy = all(verdict.severity < Severity.CRITICAL for verdict in verdicts)
    if as_json:
        shown = [
            _Found(v.kind.value, v.severity.name.lower(), phrase(v, snapshot.time_ns), v.runbook) for v in verdicts
        ]
        print(msgspec.json.encode(_Health(healthy, name, shown)).decode())
    else:
        texts = [phrase(verdict, snapshot.time_ns) for verdict in verdicts]
        print(printable(": ".join(["healthy" if healthy else "unhealthy", *(["; ".join(texts)] if texts else [])])))
    return 0 if healthy else 1
