"""What a run of a fleet is, and the jobs that it is cut into. All that a result depends on is in a job."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from neuron_tools.fleet.schema import Fleet, nodes_of, parse_fleet
from neuron_tools.scenario.schema import nanoseconds_of
from neuron_tools.sweep.files import InputFile
from runtime_core.errors import UsageError

NODES_PER_JOB = 10
"""Fixed: sums of floating-point numbers depend on how nodes are grouped."""

_PIECE_NS = 86_400 * 10**9
_MOST_POINTS = 336
_MOST_SAMPLES = 2_000_000


class RunSpec(msgspec.Struct, frozen=True):
    """A run.

    Attributes:
        text: the fleet file.
        folder: where the fleet's models are.
        seed: in place of the file's.
        seconds: how long it is.
        step_seconds: between two scrapes, and two evaluations of the rules.
        start_unix_seconds: what its first scrape is dated.
        files: that the fleet's models are read from.
    """

    text: str
    folder: str
    seed: int
    seconds: int
    step_seconds: int
    start_unix_seconds: int
    files: tuple[InputFile, ...] = ()

    @property
    def fleet(self) -> Fleet:
        """The fleet.

        Raises:
            UsageError: the file is wrong.
        """
        made = parse_fleet(self.text.encode(), Path(self.folder, "fleet.yaml"))
        return msgspec.structs.replace(made, seed=self.seed)

    @property
    def samples(self) -> int:
        """How many scrapes of a node, that at the start among them."""
        return self.seconds // self.step_seconds + 1

    @property
    def point_steps(self) -> int:
        """Steps of a point of the plots."""
        return max(1, -(-(self.samples - 1) // _MOST_POINTS))

    @property
    def points(self) -> int:
        """How many points the plots have."""
        return -(-(self.samples - 1) // self.point_steps)

    def pieces(self) -> list[tuple[int, int]]:
        """The scrapes in parts of a day each, ``[first, end)``: what is in memory at a time."""
        length = max(1, _PIECE_NS // (self.step_seconds * 10**9))
        return [(first, min(first + length, self.samples)) for first in range(0, self.samples, length)]

    def times_ns(self, fleet: Fleet, first: int, end: int) -> NDArray[np.int64]:
        """Times of some scrapes since the fleet's start."""
        return nanoseconds_of(fleet.age) + np.arange(first, end, dtype=np.int64) * self.step_seconds * 10**9

    def point_of(self, first: int, end: int) -> NDArray[np.int64]:
        """The point of the plots that each scrape belongs to; it stands for the step before it."""
        numbers: NDArray[np.int64] = np.maximum(np.arange(first, end) - 1, 0) // self.point_steps
        return numbers


def check_spec(spec: RunSpec) -> None:
    """Check a run.

    Raises:
        UsageError: its length and step do not fit each other.
    """
    if not 1 <= spec.step_seconds <= 300:
        raise UsageError("expected 1s to 5m", where="--step", mend="Prometheus forgets a series after 5 minutes")
    if spec.seconds < spec.step_seconds:
        raise UsageError("the run is shorter than a step", where="--days", mend="lengthen it")
    if spec.samples > _MOST_SAMPLES:
        raise UsageError(f"at most {_MOST_SAMPLES} steps", where="--days", mend="shorten it, or lengthen --step")


class NodesJob(msgspec.Struct, frozen=True):
    """Nodes ``[first, end)`` of a group; ``openmetrics``: numbers of those whose series are written, every how often.

    ``openmetrics_step`` counts in steps of the run.
    """

    spec: RunSpec
    group: int
    first: int
    end: int
    openmetrics: tuple[int, ...] = ()
    openmetrics_step: int = 1


def jobs_of(spec: RunSpec, fleet: Fleet, openmetrics: frozenset[int] = frozenset(), step: int = 1) -> list[NodesJob]:
    """The jobs of a run, in order; each has nodes of one group."""
    jobs = []
    for group in range(len(fleet.groups)):
        numbers = [name.number for name in nodes_of(fleet) if name.group == group]
        for first in range(numbers[0], numbers[-1] + 1, NODES_PER_JOB):
            end = min(first + NODES_PER_JOB, numbers[-1] + 1)
            written = tuple(number for number in range(first, end) if number in openmetrics)
            jobs.append(NodesJob(spec, group, first, end, written, step))
    return jobs
