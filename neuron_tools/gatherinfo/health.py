"""``neuron-gatherinfo --health``: one verdict on the node with an exit status, for any scheduler's health check."""

from __future__ import annotations

import time

import msgspec

from runtime_core.telemetry import NodeNotFoundError, Snapshot, open_source
from runtime_core.telemetry.health import HealthWatch, Severity, Verdict, phrase

LOOK_SECONDS = 2.5
"""Seconds between two snapshots; a hang is visible only after more than two seconds."""

_LOOKS = 3


class _Found(msgspec.Struct):
    kind: str
    severity: str
    text: str
    runbook: str


class _Health(msgspec.Struct):
    healthy: bool
    source: str
    verdicts: list[_Found]


def _look(source_name: str | None, seconds: float) -> tuple[str, Snapshot, tuple[Verdict, ...]]:
    source = open_source(source_name)
    try:
        watch = HealthWatch()
        for number in range(_LOOKS):
            if number:
                time.sleep(seconds / (_LOOKS - 1))
            snapshot = source.snapshot()
            verdicts = watch.take(snapshot)
        return source.name, snapshot, verdicts
    finally:
        source.close()


def show_health(source_name: str | None, *, as_json: bool, seconds: float = LOOK_SECONDS) -> int:
    """Observe the node briefly and print its problems.

    Returns:
        0 for a healthy node, 1 for a critical problem or a missing node.
    """
    try:
        name, snapshot, verdicts = _look(source_name, seconds)
    except NodeNotFoundError as error:
        if as_json:
            found = [_Found("driver-missing", "critical", str(error), "neurondrivermissing")]
            print(msgspec.json.encode(_Health(False, source_name or "", found)).decode())
        else:
            print(f"unhealthy: {error}")
        return 1
    healthy = all(verdict.severity < Severity.CRITICAL for verdict in verdicts)
    if as_json:
        shown = [
            _Found(v.kind.value, v.severity.name.lower(), phrase(v, snapshot.time_ns), v.runbook) for v in verdicts
        ]
        print(msgspec.json.encode(_Health(healthy, name, shown)).decode())
    else:
        texts = [phrase(verdict, snapshot.time_ns) for verdict in verdicts]
        print(": ".join(["healthy" if healthy else "unhealthy", *(["; ".join(texts)] if texts else [])]))
    return 0 if healthy else 1
