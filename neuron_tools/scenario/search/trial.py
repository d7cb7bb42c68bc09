"""Run one scenario under the virtual clock, and check every invariant at each sample."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from neuron_tools.scenario.agenda import Action, Actions, agenda_of
from neuron_tools.scenario.arrivals import arrival_times_ns
from neuron_tools.scenario.load import fault_spec
from neuron_tools.scenario.monitor import Monitor, shipped_rules
from neuron_tools.scenario.schema import EventSpec, Scenario, nanoseconds_of
from neuron_tools.scenario.search.invariant import Invariant, Probe
from neuron_tools.scenario.virtual_world import VirtualWorld
from neuron_tools.scenario.world import StartError
from runtime_core.telemetry import NodeError
from runtime_core.telemetry.snapshot import Snapshot

NOTHING_FAILS = "nothing-fails"
"""Name of the invariant that the node and the viewers raise no unexpected exception."""


class Failure(NamedTuple):
    """A broken invariant, its time, and a description."""

    invariant: str
    seconds: float
    what: str


class _Broken(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.what)
        self.failure = failure


def run_trial(scenario: Scenario, folder: Path, seed: int, invariants: Sequence[type[Invariant]]) -> Failure | None:
    """Run ``scenario`` to its end, or to the first invariant that does not hold.

    Args:
        scenario: the scenario.
        folder: folder of its models.
        seed: seed of the node and the requests.
        invariants: invariants to check.
    """
    world = VirtualWorld(scenario, folder, seed)
    try:
        _Trial(scenario, folder, seed, world, invariants).run()
    except _Broken as broken:
        return broken.failure
    finally:
        world.close()
    return None


class _Trial:
    def __init__(
        self, scenario: Scenario, folder: Path, seed: int, world: VirtualWorld, invariants: Sequence[type[Invariant]]
    ) -> None:
        self._scenario, self._folder, self._seed, self._world = scenario, folder, seed, world
        self._invariants = [invariant() for invariant in invariants]
        self._happened: list[EventSpec] = []
        self._refused: list[str] = []
        self._before: Snapshot | None = None
        self._requests: dict[str, tuple[Iterator[int], int, int | None]] = {}
        self._lives: dict[str, int] = {}
        with self._guarded(0):
            self._monitor = Monitor(world.source, world.clock_ns(), shipped_rules())

    def run(self) -> None:
        end_ns = nanoseconds_of(self._scenario.duration)
        actions = Actions(self._starter, self._stopper, self._event, self._releaser, self._sample)
        for at_ns, act in agenda_of(self._scenario, actions):
            with self._guarded(at_ns):
                self._world.advance(at_ns)
                act(at_ns)
        with self._guarded(end_ns):
            for tag in dict.fromkeys(a.tag for a in self._scenario.applications):
                self._world.stop(tag)
            self._world.clear()
            self._world.advance(end_ns + 10**9)
            self._look(end_ns + 10**9, over=True)

    @contextmanager
    def _guarded(self, at_ns: int) -> Iterator[None]:
        try:
            yield
        except _Broken:
            raise
        except Exception as error:
            # A user would have met this exception.
            raise _Broken(Failure(NOTHING_FAILS, at_ns / 1e9, f"{type(error).__name__}: {error}")) from error

    def _starter(self, number: int) -> Action:
        application = self._scenario.applications[number]

        def start(at_ns: int) -> None:
            tag = application.tag
            self._lives[tag] = self._lives.get(tag, 0) + 1
            self._requests.pop(tag, None)
            try:
                self._world.start(number, application)
            except StartError as error:
                self._refused.append(f"{tag} does not start: {error}")
                return
            if application.arrivals.closed is None and self._lives[tag] == 1:
                # The same times as in the world.
                rng = random.Random(f"{self._seed}:{number}:{tag}")  # noqa: S311
                times_ns = arrival_times_ns(application.arrivals, rng, at_ns, self._folder)
                self._requests[tag] = times_ns, 0, None

        return start

    def _stopper(self, tag: str) -> Action:
        def stop(_at_ns: int) -> None:
            self._requests.pop(tag, None)
            self._world.stop(tag)

        return stop

    def _releaser(self, tag: str) -> Action:
        return lambda _at_ns: self._world.release(tag)

    def _event(self, event: EventSpec) -> Action:
        def happen(_at_ns: int) -> None:
            self._happened.append(event)
            if event.fault is not None:
                self._world.inject(fault_spec(event))
            elif event.kill is not None:
                self._requests.pop(event.kill, None)
                self._world.kill(event.kill)
            elif event.hold is not None:
                self._world.hold(event.hold)
            elif event.reset is not None:
                self._world.reset(event.reset)
            elif event.clear:
                self._world.clear()

        return happen

    def _sample(self, at_ns: int) -> None:
        self._monitor.sample(self._world.clock_ns())
        self._look(at_ns)

    def _look(self, at_ns: int, *, over: bool = False) -> None:
        try:
            now = self._world.source.snapshot(host=True)
        except NodeError:
            # The driver is missing, which every viewer reports.
            return
        happened, fired = tuple(self._happened), tuple(self._monitor.fired())
        probe = Probe(
            self._scenario, at_ns / 1e9, self._before, now, self._arrived(at_ns), happened, fired,
            tuple(self._refused), over,
        )  # fmt: skip
        for invariant in self._invariants:
            for what in invariant.broken(probe):
                raise _Broken(Failure(invariant.name, at_ns / 1e9, what))
        self._before = now

    def _arrived(self, at_ns: int) -> dict[str, int]:
        arrived = {}
        for tag, (times_ns, count, waiting) in self._requests.items():
            upcoming = next(times_ns) if waiting is None else waiting
            while upcoming <= at_ns:
                count += 1
                upcoming = next(times_ns)
            self._requests[tag] = times_ns, count, upcoming
            arrived[tag] = count
        return arrived
