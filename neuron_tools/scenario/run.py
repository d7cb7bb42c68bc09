"""Run a scenario: events, periodic samples of the metrics, and verdicts at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from neuron_tools.scenario.agenda import Action, Actions, agenda_of
from neuron_tools.scenario.expectations import Expectation, Seen, Verdict, check_alert, parse_expectation
from neuron_tools.scenario.load import fault_spec
from neuron_tools.scenario.monitor import Monitor, MonitorState
from neuron_tools.scenario.promql.rules import Firing, Rules
from neuron_tools.scenario.schema import EventSpec, Scenario, nanoseconds_of, seconds_of
from neuron_tools.scenario.world import StartError, World
from runtime_core.instance import instance_type
from runtime_core.telemetry.snapshot import Runtime

if TYPE_CHECKING:
    from neuron_tools.kubernetes.rehearsal.world import ClusterWorld


class ApplicationResult(NamedTuple):
    """The last counts of an application before its end; ``None`` if it was never observed."""

    tag: str
    completed: int | None
    failed: int | None
    p50_seconds: float | None
    p99_seconds: float | None


class Result(NamedTuple):
    """Result of a scenario.

    Attributes:
        scenario: name of the scenario.
        seconds: length of the run, in its own time.
        happened: second and text of each action, including failed ones.
        applications: counts of the applications, in the file's order.
        fired: every alert that fired.
        verdicts: results of the expectations, in the file's order.
    """

    scenario: str
    seconds: float
    happened: list[tuple[float, str]]
    applications: list[ApplicationResult]
    fired: list[Firing]
    verdicts: list[Verdict]

    @property
    def met(self) -> bool:
        """Whether every expectation is met."""
        return all(verdict.met for verdict in self.verdicts)


Progress = Callable[[float, float], None]
"""Called with the seconds that have passed, and the total."""


def run_scenario(scenario: Scenario, world: World, rules: Rules, progress: Progress | None = None) -> Result:
    """Run ``scenario`` on ``world`` to its end, and check its expectations.

    Raises:
        UsageError: an expectation names an alert that no rule has.
    """
    return _Run(scenario, world, rules).result(progress or (lambda _done, _all: None))


class _Run:
    def __init__(self, scenario: Scenario, world: World, rules: Rules) -> None:
        self._scenario = scenario
        self._cluster: ClusterWorld | None = None
        if any(application.pod is not None for application in scenario.applications):
            from neuron_tools.kubernetes.rehearsal.world import ClusterWorld

            world = self._cluster = ClusterWorld(world)
        self._world = world
        self._end_ns = nanoseconds_of(scenario.duration)
        self._happened: list[tuple[float, str]] = []
        self._start_failures: dict[str, str] = {}
        self._last_seen: dict[str, dict[tuple[int, int], Runtime]] = {}
        size, tags = instance_type(scenario.instance), {a.tag for a in scenario.applications}
        self._expectations: list[Expectation] = [parse_expectation(e, tags, size) for e in scenario.expectations]
        for expectation in self._expectations:
            check_alert(expectation, rules.names)
        self._monitor = Monitor(world.source, world.clock_ns(), rules)
        self._offset_ns = world.clock_ns() - world.now_ns()

    def result(self, progress: Progress) -> Result:
        try:
            for at_ns, action in self._agenda():
                self._world.advance(at_ns)
                action(at_ns)
                progress(at_ns / 1e9, self._end_ns / 1e9)
        finally:
            if self._cluster is not None:
                self._cluster.close_cluster()
                self._happened += [(moment.seconds, moment.what) for moment in self._cluster.moments]
                self._happened.sort(key=lambda entry: entry[0])
        fired = self._monitor.fired()
        seen = Seen(
            self._monitor.store,
            fired,
            self._start_failures,
            min((seconds_of(e.at) for e in self._scenario.timeline), default=0.0),
            max((_over_seconds(e) for e in self._scenario.timeline), default=0.0),
            self._end_ns / 1e9,
            () if self._cluster is None else tuple(self._cluster.moments),
        )
        verdicts = [Verdict(e.text, *e.judge(seen)) for e in self._expectations]
        applications = [self._application(tag) for tag in dict.fromkeys(a.tag for a in self._scenario.applications)]
        return Result(self._scenario.scenario, self._end_ns / 1e9, self._happened, applications, fired, verdicts)

    def _agenda(self) -> list[tuple[int, Action]]:
        actions = Actions(self._starter, self._stopper, self._happening, self._releasing, self._sample)
        asked_ns = {nanoseconds_of(e.at) for e in self._scenario.expectations if e.at is not None}
        return agenda_of(self._scenario, actions, asked_ns)

    def _starter(self, number: int) -> Action:
        application = self._scenario.applications[number]

        def start(at_ns: int) -> None:
            try:
                self._world.start(number, application)
            except StartError as error:
                self._start_failures.setdefault(application.tag, str(error))
                self._happened.append((at_ns / 1e9, f"{application.tag} could not start: {error}"))
            else:
                where = "by the cluster" if application.cores is None else f"on cores {application.cores}"
                self._happened.append((at_ns / 1e9, f"{application.tag} started {where}"))

        return start

    def _stopper(self, tag: str) -> Action:
        def stop(at_ns: int) -> None:
            self._look()
            self._world.stop(tag)
            self._happened.append((at_ns / 1e9, f"{tag} ended"))

        return stop

    def _happening(self, event: EventSpec) -> Action:
        def happen(at_ns: int) -> None:
            if event.fault is not None:
                fault = fault_spec(event)
                self._world.inject(fault)
                targets = [f"device {d}" for d in fault.devices] + [f"core {c}" for c in fault.cores]
                text = f"{event.fault} on {', '.join(targets) or 'the node'}"
                text += f" for {event.lasting}" if event.lasting else ""
            elif event.kill is not None:
                self._look()
                self._world.kill(event.kill)
                text = f"{event.kill} killed"
            elif event.hold is not None:
                self._look()
                self._world.hold(event.hold)
                text = f"{event.hold} is stopped for {event.lasting}"
            elif event.reset is not None:
                self._world.reset(event.reset)
                text = f"device {event.reset} reset"
            elif event.monitor is not None:
                self._monitor.state = MonitorState(event.monitor)
                text = f"monitor {event.monitor}"
            else:
                self._world.clear()
                text = "all faults cleared"
            self._happened.append((at_ns / 1e9, text))

        return happen

    def _releasing(self, tag: str) -> Action:
        def release(at_ns: int) -> None:
            self._world.release(tag)
            self._happened.append((at_ns / 1e9, f"{tag} continues"))

        return release

    def _sample(self, at_ns: int) -> None:
        self._monitor.sample(at_ns + self._offset_ns)
        self._look()

    def _look(self) -> None:
        for runtime in self._world.source.snapshot().runtimes:
            if not runtime.error:
                self._last_seen.setdefault(runtime.tag, {})[runtime.key] = runtime

    def _application(self, tag: str) -> ApplicationResult:
        """Return the sum over all runtimes that had the tag."""
        seen = list(self._last_seen.get(tag, {}).values())
        counts = [r.executions for r in seen if r.executions is not None]
        histograms = [r.total_latency for r in seen if r.total_latency is not None]
        if not counts or not histograms:
            return ApplicationResult(tag, None, None, None, None)
        latency = histograms[0]
        for other in histograms[1:]:
            latency = latency.plus(other)
        p50_ns, p99_ns = latency.quantile_ns(0.5), latency.quantile_ns(0.99)
        completed = sum(c.completed for c in counts)
        return ApplicationResult(
            tag,
            completed,
            sum(map(sum, counts)) - completed,
            None if p50_ns is None else p50_ns / 1e9,
            None if p99_ns is None else p99_ns / 1e9,
        )


def _over_seconds(event: EventSpec) -> float:
    return seconds_of(event.at) + (seconds_of(event.lasting) if event.lasting else 0.0)
