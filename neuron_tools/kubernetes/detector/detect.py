"""The detector: derives the state of the node from snapshots and log lines, and recovers the node."""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable, Iterable
from typing import NamedTuple

from neuron_tools.kubernetes.cluster import ClusterError
from neuron_tools.kubernetes.detector.problems import Problem, problem_of_line, problem_of_verdict
from neuron_tools.kubernetes.detector.report import Reporter
from neuron_tools.kubernetes.resets import Resetter
from runtime_core.errors import NeuronError
from runtime_core.telemetry import Snapshot
from runtime_core.telemetry.health import HealthWatch

HEARTBEAT_NS = 300 * 10**9
SETTLE_NS = 10 * 10**9
"""Time without a problem after a reset before the node accepts pods again, in nanoseconds."""
DRAIN_NS = 300 * 10**9
"""Longest wait for pods to leave before the recovery is given up, in nanoseconds."""

log = logging.getLogger("neuron-problem-detector")
log.addHandler(logging.NullHandler())


class Stage(enum.StrEnum):
    """Stage of the recovery."""

    WATCHING = "watching"
    DRAINING = "draining"
    SETTLING = "settling"
    GIVEN_UP = "given up"


class State(NamedTuple):
    """State of the node.

    Attributes:
        problems: current problems, the oldest first.
        since_ns: wall time at which the node became healthy or unhealthy.
    """

    problems: tuple[Problem, ...]
    since_ns: int
    stage: Stage

    @property
    def healthy(self) -> bool:
        """Whether there are no problems."""
        return not self.problems


class Detector:
    """Tracks the problems of one node, and recovers it. Not thread-safe."""

    def __init__(
        self,
        reporter: Reporter | None,
        resetter: Resetter | None = None,
        *,
        settle_ns: int = SETTLE_NS,
        drain_ns: int = DRAIN_NS,
        resets: Callable[[int], int | None] = lambda _device: None,
    ) -> None:
        """Create a detector without problems.

        Args:
            reporter: reports to the cluster; ``None``: no reports.
            resetter: resets devices; ``None``: the node is only observed.
            settle_ns: see :data:`SETTLE_NS`.
            drain_ns: see :data:`DRAIN_NS`.
            resets: returns the number of resets of a device; ``None`` if unknown.
        """
        self._reporter = reporter
        self._resetter = resetter
        self._settle_ns = settle_ns
        self._drain_ns = drain_ns
        self._watch = HealthWatch()
        self._lasting: dict[tuple[str, int | None], Problem] = {}
        self._open: dict[tuple[str, int | None], Problem] = {}
        self._stage = Stage.WATCHING
        self._stage_ns = 0
        self._since_ns: int | None = None
        self._written: tuple[str, int] | None = None
        self._struck: set[int] = set()
        self._resets = resets
        self._reset_counts: dict[int, int | None] = {}

    @property
    def stage(self) -> Stage:
        """Stage of the recovery."""
        return self._stage

    def look(self, snapshot: Snapshot, lines: Iterable[str] = ()) -> State:
        """Process a snapshot and new log lines, and act.

        Args:
            snapshot: snapshot of the node.
            lines: lines of the kernel's log since the last call.
        """
        now_ns = snapshot.wall_time_ns
        self._see_resets(snapshot)
        found = [problem_of_verdict(v, snapshot.time_ns) for v in self._watch.take(snapshot)]
        found += [problem_of_line(line) for line in lines]
        problems = [problem for problem in found if problem is not None]
        for problem in problems:
            if problem.lasting:
                self._lasting.setdefault((problem.error, problem.device), problem)
        now = {**self._lasting, **{(p.error, p.device): p for p in problems if not p.lasting}}
        before = self._open
        self._open = {**{key: now[key] for key in before if key in now}, **now}
        if self._since_ns is None or bool(before) is not bool(self._open):
            self._since_ns = now_ns
        for key in now.keys() - before.keys():
            self._event(now[key].reason, now[key].message, now_ns, warning=True)
        try:
            self._write_condition(now_ns)
            self._recover(now_ns)
        except ClusterError as error:
            # The API server is called again at the next snapshot.
            log.warning("%s", error)
        return State(tuple(self._open.values()), self._since_ns, self._stage)

    def _see_resets(self, snapshot: Snapshot) -> None:
        for device in snapshot.devices:
            count = self._resets(device.index)
            before = self._reset_counts.get(device.index, count)
            self._reset_counts[device.index] = count
            if count is not None and before is not None and count > before:
                self.was_reset(device.index)

    def was_reset(self, device: int | None = None) -> None:
        """Record a reset of a device (``None``: of all, as by a driver reload), which ends its lasting problems."""
        self._lasting = {
            k: p for k, p in self._lasting.items() if device is not None and p.device not in (device, None)
        }
        self._watch = HealthWatch()

    def _event(self, reason: str, message: str, now_ns: int, *, warning: bool) -> None:
        log.log(logging.WARNING if warning else logging.INFO, "%s: %s", reason, message)
        if self._reporter is not None:
            try:
                self._reporter.event(reason, message, now_ns, warning=warning)
            except ClusterError as error:
                log.warning("%s", error)

    def _write_condition(self, now_ns: int) -> None:
        if self._reporter is None or self._since_ns is None:
            return
        first = next(iter(self._open.values()), None)
        text = "" if first is None else first.reason
        if self._written is None or self._written[0] != text or now_ns - self._written[1] >= HEARTBEAT_NS:
            self._reporter.condition(first, now_ns, self._since_ns)
            self._written = text, now_ns

    def _to(self, stage: Stage, now_ns: int) -> None:
        self._stage, self._stage_ns = stage, now_ns

    def _recover(self, now_ns: int) -> None:
        if self._resetter is None or self._reporter is None:
            return
        if self._open:
            self._struck |= {p.device for p in self._open.values() if p.device is not None}
        match self._stage:
            case Stage.WATCHING if self._open:
                self._reporter.cordon(wanted=True)
                self._event("NeuronNodeCordoned", "the node accepts no new pods", now_ns, warning=True)
                self._to(Stage.DRAINING, now_ns)
                self._drain(now_ns)
            case Stage.DRAINING:
                self._drain(now_ns)
            case Stage.SETTLING if self._open:
                self._give_up("the problem remains after the reset", now_ns)
            case Stage.SETTLING if now_ns - self._stage_ns >= self._settle_ns:
                self._back(now_ns)
            case Stage.GIVEN_UP if not self._open:
                # The node was repaired manually.
                self._to(Stage.SETTLING, now_ns)
            case _:
                pass

    def _drain(self, now_ns: int) -> None:
        assert self._reporter is not None  # noqa: S101 - the caller looked
        assert self._resetter is not None  # noqa: S101
        pods = self._reporter.neuron_pods()
        for pod in pods:
            if pod.metadata.deletionTimestamp is None:
                try:
                    self._reporter.evict(pod)
                except ClusterError as error:
                    log.warning("%s", error)
        if pods:
            if now_ns - self._stage_ns > self._drain_ns:
                self._give_up(f"{len(pods)} pods did not leave", now_ns)
            return
        try:
            for device in sorted(self._struck):
                self._resetter.reset(device)
        except NeuronError as error:
            if now_ns - self._stage_ns > self._drain_ns:
                self._give_up(f"the reset failed: {error}", now_ns)
            return
        self.was_reset(None)
        self._event("NeuronDeviceReset", f"reset Neuron Device {', '.join(map(str, sorted(self._struck)))}", now_ns,
                    warning=False)  # fmt: skip
        self._struck.clear()
        self._open = {}
        self._since_ns = now_ns
        self._write_condition(now_ns)
        self._to(Stage.SETTLING, now_ns)

    def _back(self, now_ns: int) -> None:
        assert self._reporter is not None  # noqa: S101 - the caller looked
        self._reporter.cordon(wanted=False)
        self._event("NeuronNodeRecovered", "the node accepts pods again", now_ns, warning=False)
        self._to(Stage.WATCHING, now_ns)

    def _give_up(self, why: str, now_ns: int) -> None:
        self._event("NeuronRecoveryFailed", f"{why}: the node stays cordoned", now_ns, warning=True)
        self._to(Stage.GIVEN_UP, now_ns)
