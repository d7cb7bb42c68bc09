"""The result of a measurement."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from neuron_tools.bench.setups import ClockKind, Setup
from runtime_core.engine.timing.parameters import INTERVAL_RATIO
from runtime_core.instance import instance_type


class Observed(NamedTuple):
    """Observations in a time window.

    Attributes:
        seconds: length of the window.
        latencies_ns: latency -> number of requests that ended in the window.
        failures: executions that failed in the window.
        utilization: mean busy share of the used cores, 0..1.
        generator_cpu_seconds: CPU time of the load generator; ``None`` under the virtual clock.
        vcpu_utilization: mean busy share of the simulated vCPUs; ``None`` under the real clock.
    """

    seconds: float
    latencies_ns: Mapping[int, int]
    failures: int
    utilization: float
    generator_cpu_seconds: float | None
    vcpu_utilization: float | None = None


class Result(msgspec.Struct, frozen=True):
    """One line of the report.

    Throughput is in samples; ``None`` if no request ended, and no execution failed. Latency is that of a client's
    request, which is one execution unless ``client_batch`` differs; ``None`` if nothing ran.
    ``cost_per_million_usd``: cost of a million samples at the hourly price of the whole instance.
    ``load_generator_cpu_ratio``: vCPUs that the load generator kept busy; ``None`` under the virtual clock.
    ``vcpu_utilization``: that of the simulated vCPUs; ``None`` under the real clock. ``interval_ratio``: the likely
    relative error of throughput and latency (``docs/explanation/timing.md``), at least one of the requests that
    ended. ``pipeline_used``: cores of the pipeline that have work.
    """

    instance_type: str
    clock: ClockKind
    batch: int
    pipeline: int
    cores: int
    models: int
    workers: int
    rate_per_second: float | None
    seconds: float
    executions: int
    failures: int
    throughput_per_second: float | None
    mean_ms: float | None
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    utilization: float
    cost_per_million_usd: float | None
    load_generator_cpu_ratio: float | None
    vcpu_utilization: float | None
    client_batch: int
    data_parallel: bool
    interval_ratio: float
    pipeline_used: int


def quantile(counts: Mapping[int, int], ratio: float) -> int | None:
    """Return the smallest value that ``ratio`` (0..1) of the counted values do not exceed; ``None`` without values."""
    total = sum(counts.values())
    rank = max(1, math.ceil(ratio * total))
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= rank:
            return value
    return None


def cost_per_million(price_usd_per_hour: float, throughput_per_second: float | None) -> float | None:
    """Return the cost of a million samples in US dollars."""
    return price_usd_per_hour / 3600 / throughput_per_second * 1e6 if throughput_per_second else None


def result_of(
    setup: Setup, clock: ClockKind, rate_per_second: float | None, seen: Observed, pipeline_used: int | None = None
) -> Result:
    """Return the line of a setup.

    Args:
        setup: the setup that ran.
        clock: the clock under which it ran.
        rate_per_second: samples offered; ``None``: back to back.
        seen: the observations.
        pipeline_used: cores of each pipeline that have work; default: all.
    """
    requests = sum(seen.latencies_ns.values())
    # A window without an end of a request says nothing about throughput, unless everything failed.
    throughput = requests * setup.request_samples / seen.seconds if requests or seen.failures else None
    total_ns = sum(value * count for value, count in seen.latencies_ns.items())
    cpu = seen.generator_cpu_seconds
    return Result(
        setup.instance_type,
        clock,
        setup.batch,
        setup.pipeline,
        setup.cores,
        setup.models,
        setup.workers,
        rate_per_second,
        round(seen.seconds, 6),
        requests * setup.request_executions,
        seen.failures,
        None if throughput is None else round(throughput, 4),
        _milliseconds(total_ns / requests if requests else None),
        _milliseconds(quantile(seen.latencies_ns, 0.50)),
        _milliseconds(quantile(seen.latencies_ns, 0.90)),
        _milliseconds(quantile(seen.latencies_ns, 0.99)),
        round(seen.utilization, 6),
        cost_per_million(instance_type(setup.instance_type).price_usd_per_hour, throughput),
        None if cpu is None else round(cpu / seen.seconds, 4),
        None if seen.vcpu_utilization is None else round(seen.vcpu_utilization, 6),
        setup.request_samples,
        setup.data_parallel,
        max(INTERVAL_RATIO, 1 / requests if requests else 0.0),
        setup.pipeline if pipeline_used is None else pipeline_used,
    )


def _milliseconds(value_ns: float | None) -> float | None:
    return None if value_ns is None else round(value_ns / 1e6, 6)
