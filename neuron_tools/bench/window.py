"""The time window of a measurement, and readings of the runtime at its start and end through the telemetry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from neuron_tools.bench.result import Observed
from neuron_tools.bench.setups import Setup
from runtime_core.engine.plan import Plan
from runtime_core.telemetry import open_source

_DEFAULT_SECONDS = 10.0
_ENOUGH_ROUNDS = 300
"""Number of requests per client with which those at the borders of the window are less than 0.5 %."""
_WARM_UP_ROUNDS = 3
_WARM_UP_SECONDS = 0.2


class Window(NamedTuple):
    """Times relative to the start of the clients, in nanoseconds."""

    start_ns: int
    end_ns: int


class Look(NamedTuple):
    """State of a runtime at one time, from its telemetry.

    Attributes:
        time_ns: time of the node.
        busy_ns: busy time of each core.
        failures: executions that failed.
        vcpu_seconds: busy time of all simulated vCPUs; ``None`` under the real clock.
        vcpu_count: vCPUs of the instance.
    """

    time_ns: int
    busy_ns: Mapping[int, int]
    failures: int
    vcpu_seconds: float | None
    vcpu_count: int


def round_ns(setup: Setup, plan: Plan) -> int:
    """Estimate the time for one request of every client of a core, with all neighbours busy."""
    crowded_ns = sum(max(s.duration_ns) - s.duration_ns[0] for s in plan.stages)
    return (plan.alone_ns + crowded_ns) * setup.executions_per_copy * -(-setup.models // setup.groups)


def window_of(setup: Setup, plan: Plan, seconds: float | None) -> Window:
    """Return a window of ``seconds`` after a warm-up; by default long enough for the model."""
    one_round_ns = round_ns(setup, plan)
    start_ns = max(int(_WARM_UP_SECONDS * 1e9), _WARM_UP_ROUNDS * one_round_ns)
    wanted_ns = max(int(_DEFAULT_SECONDS * 1e9), _ENOUGH_ROUNDS * one_round_ns)
    return Window(start_ns, start_ns + (wanted_ns if seconds is None else round(seconds * 1e9)))


def look(root: Path, pid: int | None = None) -> Look:
    """Read the runtime of process ``pid`` on the node in ``root``; ``None``: the only one, under a virtual clock."""
    source = open_source(f"sim:{root}")
    try:
        snapshot = source.snapshot(host=pid is None)
    finally:
        source.close()
    runtime = next(r for r in snapshot.runtimes if pid in (None, r.pid))
    failures = sum(runtime.executions[1:]) if runtime.executions is not None else 0
    busy_ns = {core: use.busy_ns or 0 for core, use in runtime.cores.items()}
    vcpus = snapshot.host.vcpus if snapshot.host is not None else ()
    vcpu_seconds = sum(vcpu.user for vcpu in vcpus) if vcpus else None
    return Look(runtime.time_ns, busy_ns, failures, vcpu_seconds, len(vcpus))


def observed(before: Look, after: Look, latencies_ns: Counter[int], cpu_seconds: float | None) -> Observed:
    """Compute the observations from two readings and the latencies of the requests that ended between them."""
    seconds = (after.time_ns - before.time_ns) / 1e9
    busy_ns = [after.busy_ns[core] - before.busy_ns[core] for core in after.busy_ns]
    utilization = sum(busy_ns) / len(busy_ns) / 1e9 / seconds
    vcpus = None
    if after.vcpu_seconds is not None and before.vcpu_seconds is not None:
        vcpus = min(1.0, (after.vcpu_seconds - before.vcpu_seconds) / seconds / after.vcpu_count)
    failures = after.failures - before.failures
    return Observed(seconds, latencies_ns, failures, min(1.0, utilization), cpu_seconds, vcpus)
