"""When a measurement begins and ends, and looking at the runtime at both times as any viewer would."""

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
"""Executions of each client: the ones at the borders of the window are then less than half a per cent."""
_WARM_UP_ROUNDS = 3
_WARM_UP_SECONDS = 0.2


class Window(NamedTuple):
    """Times from the start of the clients, in nanoseconds."""

    start_ns: int
    end_ns: int


class Look(NamedTuple):
    """A runtime at one time, from its telemetry."""

    time_ns: int
    busy_ns: Mapping[int, int]
    failures: int


def round_ns(setup: Setup, plan: Plan) -> int:
    """About how long all clients of a core take for an execution each, with every neighbour busy."""
    crowded_ns = sum(max(s.duration_ns) - s.duration_ns[0] for s in plan.stages)
    return (plan.alone_ns + crowded_ns) * setup.workers * -(-setup.models // setup.groups)


def window_of(setup: Setup, plan: Plan, seconds: float | None) -> Window:
    """After a warm-up, so many seconds; by default enough of them for the model."""
    one_round_ns = round_ns(setup, plan)
    start_ns = max(int(_WARM_UP_SECONDS * 1e9), _WARM_UP_ROUNDS * one_round_ns)
    wanted_ns = max(int(_DEFAULT_SECONDS * 1e9), _ENOUGH_ROUNDS * one_round_ns)
    return Window(start_ns, start_ns + (wanted_ns if seconds is None else round(seconds * 1e9)))


def look(root: Path, pid: int | None = None) -> Look:
    """Look at the runtime of process ``pid`` (``None``: the only one) on the node in ``root``."""
    source = open_source(f"sim:{root}")
    try:
        snapshot = source.snapshot()
    finally:
        source.close()
    runtime = next(r for r in snapshot.runtimes if pid in (None, r.pid))
    failures = sum(runtime.executions[1:]) if runtime.executions is not None else 0
    return Look(runtime.time_ns, {core: use.busy_ns or 0 for core, use in runtime.cores.items()}, failures)


def observed(before: Look, after: Look, latencies_ns: Counter[int], cpu_seconds: float | None) -> Observed:
    """What two looks, and the latencies of the executions that ended between them, tell."""
    seconds = (after.time_ns - before.time_ns) / 1e9
    busy_ns = [after.busy_ns[core] - before.busy_ns[core] for core in after.busy_ns]
    utilization = sum(busy_ns) / len(busy_ns) / 1e9 / seconds
    return Observed(seconds, latencies_ns, after.failures - before.failures, min(1.0, utilization), cpu_seconds)
