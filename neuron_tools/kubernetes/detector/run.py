"""Run the detector."""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from typing import NamedTuple

from neuron_console.text import printable
from neuron_monitor.signals import handled
from neuron_tools.kubernetes.detector.detect import Detector, State
from neuron_tools.kubernetes.detector.logs import FileLog, JournalLog, Log
from neuron_tools.kubernetes.detector.problems import HEALTHY_MESSAGE, HEALTHY_REASON
from neuron_tools.kubernetes.detector.report import Reporter
from neuron_tools.kubernetes.resets import reset_counts, resetter_for
from runtime_core.errors import NeuronError, NodeNotFoundError, UsageError
from runtime_core.telemetry import Snapshot, Source, open_source

log = logging.getLogger("neuron-problem-detector")
log.addHandler(logging.NullHandler())
_ONCE_SECONDS = 2.0


class Settings(NamedTuple):
    """Settings of the detector.

    Attributes:
        node: name of the node in the cluster; "" without a cluster.
        server: URL of an API server without authentication; ``None``: KUBECONFIG or the pod's account.
        cluster: whether to report to a cluster.
        log_file, journal: source of the kernel's log lines, if any.
        recover: cordon, drain, reset and uncordon the node.
        npd_polarity: use the polarity of node-problem-detector.
    """

    node: str = ""
    server: str | None = None
    cluster: bool = True
    log_file: Path | None = None
    journal: bool = False
    recover: bool = False
    npd_polarity: bool = False
    period_seconds: float = 2.0
    source: str | None = None
    once: bool = False
    as_json: bool = False


def _empty(source: Source) -> Snapshot:
    """Return a snapshot of a missing node: no devices, no driver."""
    from runtime_core.telemetry.snapshot import Instance

    return Snapshot(time.monotonic_ns(), time.time_ns(), source.name, Instance("", ""), "", (), (), None)


def look(source: Source) -> Snapshot:
    """Take a snapshot; if the node does not exist, return one without devices."""
    try:
        return source.snapshot()
    except NodeNotFoundError:
        return _empty(source)


def source_is_there(source: Source) -> bool:
    """Return whether the node exists now."""
    try:
        source.snapshot()
    except NodeNotFoundError:
        return False
    return True


def as_json(state: State) -> str:
    """Return the state as one JSON object."""
    first = next(iter(state.problems), None)
    return json.dumps(
        {
            "healthy": state.healthy,
            "reason": HEALTHY_REASON if first is None else first.reason,
            "message": HEALTHY_MESSAGE if first is None else first.message,
            "stage": state.stage.value,
            "problems": [{"reason": p.reason, "device": p.device, "message": p.message} for p in state.problems],
        }
    )


def serve(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT, or check once.

    Returns:
        The exit status: with ``once``, 1 for an unhealthy node.

    Raises:
        NeuronError: the cluster or the log is not available, or the settings are invalid.
    """
    if settings.cluster and not settings.once and not settings.node:
        raise UsageError("the node's name is missing", mend="set NODE_NAME or --node-name, or use --no-cluster")
    if settings.recover and not settings.cluster:
        raise UsageError("--recover requires a cluster", mend="omit --no-cluster")
    source = open_source(settings.source)
    logs: list[Log] = []
    if settings.log_file is not None:
        if not settings.log_file.exists():
            if settings.once:
                raise NeuronError("log file not found: its errors would be missed", where=str(settings.log_file))
            log.warning("%s does not exist yet: its lines are read once it does", settings.log_file)
        logs.append(FileLog(settings.log_file))
    if settings.journal:
        logs.append(JournalLog())
    reporter = None
    if settings.cluster and not settings.once:
        from neuron_tools.kubernetes.cluster import OfficialCluster

        reporter = Reporter(OfficialCluster(settings.server), settings.node, problem_is_true=settings.npd_polarity)
    resets = reset_counts(source) if source_is_there(source) else (lambda _device: None)
    detector = Detector(reporter, resetter_for(source) if settings.recover else None, resets=resets)
    try:
        return _watch(settings, source, logs, detector)
    finally:
        for each in logs:
            each.close()
        source.close()


def _watch(settings: Settings, source: Source, logs: list[Log], detector: Detector) -> int:
    told = ""
    looks = 0
    with handled() as signals:
        while not signals.stop:
            state = detector.look(look(source), [line for each in logs for line in each.lines()])
            looks += 1
            text = as_json(state)
            if settings.once:
                if looks == 1:
                    # A hung core is visible only in the difference of two snapshots.
                    signals.wait(_ONCE_SECONDS)
                    continue
                print(text if settings.as_json else sentence(state))
                return 0 if state.healthy else 1
            if text != told and settings.as_json:
                print(text, flush=True)
            told = text
            signals.wait(settings.period_seconds)
    sys.stdout.flush()
    return 0


def sentence(state: State) -> str:
    """Return the state as one line."""
    if state.healthy:
        return f"{HEALTHY_REASON}: {HEALTHY_MESSAGE}"
    return printable("; ".join(f"{problem.reason}: {problem.message}" for problem in state.problems))
