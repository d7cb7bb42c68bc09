"""What a check found, and what checks look at."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from neuron_tools.install import DEFAULT_PREFIX
from runtime_core.telemetry import NeuronError, NodeError, Snapshot


class Verdict(enum.Enum):
    """How a check ended, from best to worst."""

    PASS = "pass"  # noqa: S105 - no password
    WARN = "warn"
    FAIL = "fail"


class Finding(NamedTuple):
    """One line of the report. ``mend`` says what to do about it, "" for a pass."""

    check: str
    verdict: Verdict
    found: str
    mend: str = ""


class Surroundings(NamedTuple):
    """What checks look at.

    Attributes:
        source: of the snapshot, e.g. ``sim:/run/neuron-sim``; "" when none could be opened.
        snapshot: the node; ``None`` when it cannot be read, then ``problem`` says why.
        root: the simulated node's directory; ``None`` at a sysfs tree.
        environment: variables of the process.
        monitor: address of the metrics exporter; ``monitor_named`` when the user asked for it.
        dev: where device files are.
        prefix: where other programs look for the suite.
    """

    source: str
    snapshot: Snapshot | None
    problem: NodeError | None
    root: Path | None
    environment: Mapping[str, str]
    monitor: str
    monitor_named: bool = False
    dev: Path = Path("/dev")
    prefix: Path = DEFAULT_PREFIX


def passed(check: str, found: str) -> Finding:
    """A check that found nothing wrong."""
    return Finding(check, Verdict.PASS, found)


def warned(check: str, found: str, mend: str) -> Finding:
    """Something that works and may not go on to."""
    return Finding(check, Verdict.WARN, found, mend)


def failed(check: str, found: str, mend: str) -> Finding:
    """Something that does not work."""
    return Finding(check, Verdict.FAIL, found, mend)


def failed_by(check: str, error: NeuronError, mend: str = "") -> Finding:
    """An error of ours as a finding; ``mend`` where it names none."""
    what = f"{error.where}: {error.what}" if error.where else error.what
    return failed(check, what, error.mend or mend)


def worst(findings: list[Finding]) -> Verdict:
    """The worst verdict of all."""
    order = list(Verdict)
    return max((finding.verdict for finding in findings), key=order.index, default=Verdict.PASS)
