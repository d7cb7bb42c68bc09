"""The finding of a check, and the data that checks use."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from neuron_tools.install import DEFAULT_PREFIX
from runtime_core.telemetry import NeuronError, NodeError, Snapshot
from runtime_core.telemetry import Verdict as HealthVerdict


class Verdict(enum.Enum):
    """The result of a check, from best to worst."""

    PASS = "pass"  # noqa: S105 - no password
    WARN = "warn"
    FAIL = "fail"


class Finding(NamedTuple):
    """One line of the report. ``mend``: the remedy, "" for a pass."""

    check: str
    verdict: Verdict
    found: str
    mend: str = ""


class Surroundings(NamedTuple):
    """The data that checks use.

    Attributes:
        source: location of the snapshot, e.g. ``sim:/run/neuron-sim``; "" if no source could be opened.
        snapshot: the node; ``None`` if it cannot be read, with the reason in ``problem``.
        root: the simulated node's directory; ``None`` for a sysfs tree.
        environment: variables of the process.
        monitor: address of the metrics exporter; ``monitor_named``: the user set it.
        dev: directory of device files.
        prefix: directory in which other programs look for the suite.
        verdicts: problems that the node showed while it was watched.
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
    verdicts: tuple[HealthVerdict, ...] = ()


def passed(check: str, found: str) -> Finding:
    """A finding without a problem."""
    return Finding(check, Verdict.PASS, found)


def warned(check: str, found: str, mend: str) -> Finding:
    """A problem that does not stop the node yet."""
    return Finding(check, Verdict.WARN, found, mend)


def failed(check: str, found: str, mend: str) -> Finding:
    """A problem that stops something from working."""
    return Finding(check, Verdict.FAIL, found, mend)


def failed_by(check: str, error: NeuronError, mend: str = "") -> Finding:
    """Convert an error to a finding; ``mend`` is used if the error has no remedy."""
    what = f"{error.where}: {error.what}" if error.where else error.what
    return failed(check, what, error.mend or mend)


def worst(findings: list[Finding]) -> Verdict:
    """The worst verdict."""
    order = list(Verdict)
    return max((finding.verdict for finding in findings), key=order.index, default=Verdict.PASS)
