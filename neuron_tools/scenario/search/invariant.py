"""An invariant, and what it sees of a node at each sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, NamedTuple

from neuron_tools.scenario.promql.rules import Firing
from neuron_tools.scenario.schema import EventSpec, Scenario
from runtime_core.telemetry.snapshot import Snapshot


class Probe(NamedTuple):
    """A node at a sample.

    Attributes:
        scenario: the scenario that runs.
        seconds: time since the start.
        before: snapshot of the previous sample; ``None`` at the first sample.
        now: snapshot of this sample.
        requests: tag -> requests that have arrived at its application; only for applications that serve requests one
            by one and have not been restarted.
        happened: the events so far, without ends of applications.
        fired: every alert that has fired so far.
        refused: the reason of each failure to start an application.
        over: whether this is the end, with all applications stopped.
    """

    scenario: Scenario
    seconds: float
    before: Snapshot | None
    now: Snapshot
    requests: Mapping[str, int]
    happened: tuple[EventSpec, ...]
    fired: tuple[Firing, ...]
    refused: tuple[str, ...] = ()
    over: bool = False


class Invariant:
    """A condition that is always true. There is one object per run."""

    name: ClassVar[str]

    def broken(self, probe: Probe) -> Iterable[str]:
        """Return descriptions of violations at a sample; none if the invariant holds."""
        raise NotImplementedError
