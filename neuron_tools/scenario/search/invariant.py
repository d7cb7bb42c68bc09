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
        scenario: what it runs.
        seconds: since the start.
        before: the sample before; ``None`` at the first.
        now: the node.
        requests: tag -> requests that have arrived at its application; only where it serves requests one by one, and
            runs without a break since its start.
        happened: the events so far, ends of applications apart.
        fired: every alert so far.
        refused: why an application could not start, each time one could not.
        over: whether everything was stopped, at the end.
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
    """Something that is always true. One object watches one run."""

    name: ClassVar[str]

    def broken(self, probe: Probe) -> Iterable[str]:
        """What is wrong at a sample; nothing when all is well."""
        raise NotImplementedError
