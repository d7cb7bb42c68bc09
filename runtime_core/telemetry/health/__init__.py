"""Problems of a node, where and since when: one set of rules for every tool that shows them.

A :class:`HealthWatch` takes snapshots of one node and returns verdicts; :func:`judge` does so for two snapshots.
A missing figure is neither good nor bad: a rule that needs it reports nothing.
"""

from runtime_core.telemetry.health.rules import (
    RULES,
    RUNBOOKS,
    Place,
    Rule,
    Severity,
    Verdict,
    VerdictKind,
    format_seconds,
    phrase,
)
from runtime_core.telemetry.health.watch import HealthWatch, judge

__all__ = [
    "RULES",
    "RUNBOOKS",
    "HealthWatch",
    "Place",
    "Rule",
    "Severity",
    "Verdict",
    "VerdictKind",
    "format_seconds",
    "judge",
    "phrase",
]
