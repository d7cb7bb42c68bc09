"""``read_all_metrics``: latencies from the datastore's histograms, all other metrics from the daemon's samples."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from runtime_core.engine.timing.parameters import PE_CLOCK_HZ
from runtime_core.histogram import Histogram, bucket_bounds_ns
from runtime_core.rtd.proto import nmgr_counters_pb2
from runtime_core.rtd.samples import Event, Sample, Samples
from runtime_core.telemetry.snapshot import Runtime

_KEPT_READS = 256
_MAX_U32 = 2**32 - 1

_EVENTS = {
    nmgr_counters_pb2.NMGR_METRIC_MODEL_START_LATENCY: Event.START,
    nmgr_counters_pb2.NMGR_METRIC_MODEL_STOP_LATENCY: Event.STOP,
    nmgr_counters_pb2.NMGR_METRIC_MODEL_LOAD_LATENCY: Event.LOAD,
    nmgr_counters_pb2.NMGR_METRIC_MODEL_UNLOAD_LATENCY: Event.UNLOAD,
}


class _Read(NamedTuple):
    """The histograms at one time (CLOCK_MONOTONIC)."""

    time_ns: int
    total: Histogram
    device: Histogram


def _of_samples(samples: Sequence[Sample]) -> nmgr_counters_pb2.aggregate:
    values = [sample.value for sample in samples]
    distinct = sorted(set(values))
    return nmgr_counters_pb2.aggregate(
        min=min(values),
        max=max(values),
        count=len(values),
        sum=sum(values),
        values=distinct,
        counts=[values.count(value) for value in distinct],
    )


def _of_histogram(histogram: Histogram, scale: float) -> nmgr_counters_pb2.aggregate:
    """Minimum and maximum are those of the outermost buckets (0.8 % wide); the sum is exact."""
    buckets = histogram.buckets
    return nmgr_counters_pb2.aggregate(
        min=bucket_bounds_ns(min(buckets))[0] * scale,
        max=bucket_bounds_ns(max(buckets))[1] * scale,
        count=histogram.count,
        sum=histogram.sum_ns * scale,
        values=[bucket_bounds_ns(index)[1] * scale for index in buckets],
        counts=[min(count, _MAX_U32) for count in buckets.values()],
    )


class Metrics:
    """Summarizes a period, or the time since the start."""

    def __init__(self, samples: Samples) -> None:
        """Summarise ``samples`` and the runtime's counters."""
        self._samples = samples
        self._reads: deque[_Read] = deque(maxlen=_KEPT_READS)
        self._lock = threading.Lock()

    def read(self, runtime: Runtime, period_seconds: int) -> list[nmgr_counters_pb2.metric]:
        """One metric per kind; a kind without samples has no data.

        Args:
            runtime: the daemon's counters now.
            period_seconds: length of the period; 0: since the start. The datastore keeps totals, so inferences are
                counted since the latest earlier reading that is at least that old.
        """
        now_ns = time.time_ns()
        metrics = []
        read = _Read(runtime.time_ns, runtime.total_latency or Histogram(), runtime.device_latency or Histogram())
        total, device = self._since(read, period_seconds)
        seconds, kilocycles = 1e-9, PE_CLOCK_HZ / 1e9 / 1000
        for kind, histogram, scale in (
            (nmgr_counters_pb2.NMGR_METRIC_INFER_LATENCY, total, seconds),
            (nmgr_counters_pb2.NMGR_METRIC_INFER_ON_INFA_LATENCY, device, seconds),
            (nmgr_counters_pb2.NMGR_METRIC_INFER_ON_INFA_CYCLESx1k, device, kilocycles),
        ):
            metric = nmgr_counters_pb2.metric(metric_type=kind)
            if histogram.count:
                metric.data.add(ts_nanos_since_epoch=now_ns, value_agg=_of_histogram(histogram, scale))
            metrics.append(metric)
        sampled = {kind: self._samples.seconds(event) for kind, event in _EVENTS.items()}
        sampled[nmgr_counters_pb2.NMGR_METRIC_MODEL_SIZE] = self._samples.sizes()
        sampled[nmgr_counters_pb2.NMGR_METRIC_MODEL_NUM_NC] = self._samples.core_counts()
        sampled[nmgr_counters_pb2.NMGR_METRIC_MODEL_MAJOR_VERSION] = self._samples.majors()
        since_ns = now_ns - period_seconds * 10**9 if period_seconds else 0
        for kind, (samples, overflow) in sampled.items():
            metric = nmgr_counters_pb2.metric(metric_type=kind, overflow=overflow)
            recent = [sample for sample in samples if sample.time_ns >= since_ns]
            if recent:
                metric.data.add(ts_nanos_since_epoch=recent[-1].time_ns, value_agg=_of_samples(recent))
            metrics.append(metric)
        return sorted(metrics, key=lambda metric: metric.metric_type)

    def _since(self, read: _Read, period_seconds: int) -> tuple[Histogram, Histogram]:
        with self._lock:
            old_enough = [r for r in self._reads if r.time_ns <= read.time_ns - period_seconds * 10**9]
            self._reads.append(read)
        if not period_seconds or not old_enough:
            return read.total, read.device
        earlier = old_enough[-1]
        return read.total.minus(earlier.total), read.device.minus(earlier.device)
