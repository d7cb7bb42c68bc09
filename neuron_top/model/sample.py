"""The figures of one look: of each runtime, and of all together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from neuron_top.model.moment import NO_LATENCY, Latency, Moment, RuntimeKey
from runtime_core.telemetry.snapshot import Runtime, sum_known


class Figures(NamedTuple):
    """One runtime, or all together, in one interval; ``None`` where unknown."""

    utilization: float | None
    executions_per_second: float | None
    p50_ns: float | None
    p99_ns: float | None
    device_bytes: float | None
    failures_per_second: float | None = None


class Sample(NamedTuple):
    """One interval.

    Attributes:
        cores: global core index -> utilization (0..1).
        overall: all runtimes together; its latencies are those of all executions.
        worst_p99_ns: of the runtime with the highest.
    """

    time_ns: int
    cores: Mapping[int, float]
    overall: Figures
    runtimes: Mapping[RuntimeKey, Figures]
    worst_p99_ns: float | None = None


def mean_known(values: list[float | None]) -> float | None:
    """Return the mean of the known values; ``None`` if no value is known."""
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


def max_known(values: list[float | None]) -> float | None:
    """Return the largest known value; ``None`` if no value is known."""
    return max((v for v in values if v is not None), default=None)


def device_bytes(runtime: Runtime) -> int | None:
    """Device memory that a runtime uses on all of its cores; a runtime without cores uses none."""
    if not runtime.cores:
        return None if runtime.error else 0
    return sum_known(tuple(use.memory.total_bytes for use in runtime.cores.values()))


def executions_per_second(moment: Moment, key: RuntimeKey) -> float | None:
    """Completed executions, in the mean of the interval."""
    rate = moment.rates.runtimes.get(key) if moment.rates is not None else None
    if rate is None or rate.executions is None or rate.seconds <= 0:
        return None
    return rate.executions.completed / rate.seconds


def failures_per_second(moment: Moment, key: RuntimeKey) -> float | None:
    """Executions that did not complete well, in the mean of the interval."""
    rate = moment.rates.runtimes.get(key) if moment.rates is not None else None
    if rate is None or rate.executions is None or rate.seconds <= 0:
        return None
    return (sum(rate.executions) - rate.executions.completed) / rate.seconds


def worst_latency(moment: Moment) -> tuple[RuntimeKey, float] | None:
    """The runtime with the highest p99, and that."""
    known = [(key, latency.p99_ns) for key, latency in moment.latency.items() if latency.p99_ns is not None]
    return max(known, key=lambda pair: pair[1], default=None)


def utilization(moment: Moment, key: RuntimeKey) -> float | None:
    """Mean over the runtime's own cores."""
    rate = moment.rates.runtimes.get(key) if moment.rates is not None else None
    return None if rate is None else mean_known([core.utilization_ratio for core in rate.cores.values()])


def _figures(moment: Moment, runtime: Runtime) -> Figures:
    latency: Latency = moment.latency.get(runtime.key, NO_LATENCY)
    return Figures(
        utilization(moment, runtime.key),
        executions_per_second(moment, runtime.key),
        latency.p50_ns,
        latency.p99_ns,
        device_bytes(runtime),
        failures_per_second(moment, runtime.key),
    )


def _node_utilization(moment: Moment, cores: Mapping[int, float]) -> float | None:
    """Return the mean over all cores of the node. A core without owner is idle; a core of unknown load is left out."""
    if moment.rates is None:
        return None
    owners = moment.snapshot.core_owner
    unclear = {c for d in moment.snapshot.devices for c in d.core_ids for r in moment.snapshot.runtimes
               if r.error and r.uses(d)}  # fmt: skip
    every = [c for device in moment.snapshot.devices for c in device.core_ids]
    return mean_known([cores.get(core, None if core in owners or core in unclear else 0.0) for core in every])


def make_sample(moment: Moment) -> Sample:
    """The figures that charts show of a moment."""
    cores = moment.rates.core_utilization() if moment.rates is not None else {}
    runtimes = {r.key: _figures(moment, r) for r in moment.snapshot.runtimes}
    rates = [f.executions_per_second for f in runtimes.values() if f.executions_per_second is not None]
    failures = [f.failures_per_second for f in runtimes.values() if f.failures_per_second is not None]
    worst = worst_latency(moment)
    used = [d.memory_used_bytes for d in moment.snapshot.devices]
    nothing_runs = moment.rates is not None and not runtimes
    overall = Figures(
        _node_utilization(moment, cores),
        sum(rates) if rates else (0.0 if nothing_runs else None),
        moment.overall.p50_ns,
        moment.overall.p99_ns,
        sum_known(tuple(used)),
        sum(failures) if failures else (0.0 if nothing_runs else None),
    )
    return Sample(moment.snapshot.time_ns, cores, overall, runtimes, worst[1] if worst is not None else None)
