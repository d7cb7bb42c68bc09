"""The last minutes: samples for charts, and whole moments to step back to."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from neuron_top.model.moment import NO_LATENCY, Latency, Moment, RuntimeKey
from runtime_core.telemetry.snapshot import Runtime, sum_known

HISTORY_SECONDS = 300.0
MAX_MOMENTS = 300
_MIN_SAMPLES = 60
_MAX_SAMPLES = 1500
_MOST_WIDTHS = 4
_NO_CORES: Mapping[int, float] = MappingProxyType({})


class Figures(NamedTuple):
    """One runtime, or all together, in one interval; ``None`` where unknown."""

    utilization: float | None
    executions_per_second: float | None
    p50_ns: float | None
    p99_ns: float | None
    device_bytes: float | None


class Sample(NamedTuple):
    """One interval. ``cores``: global core index -> utilization (0..1)."""

    time_ns: int
    cores: Mapping[int, float]
    overall: Figures
    runtimes: Mapping[RuntimeKey, Figures]


Pick = Callable[[Sample], float | None]


def mean_known(values: list[float | None]) -> float | None:
    """Mean of those that are known; ``None`` when none is."""
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


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
    )


def _node_utilization(moment: Moment, cores: Mapping[int, float]) -> float | None:
    """Mean over all cores of the node: one without an owner is idle, one that can't be told is left out."""
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
    used = [d.memory_used_bytes for d in moment.snapshot.devices]
    nothing_runs = moment.rates is not None and not runtimes
    overall = Figures(
        _node_utilization(moment, cores),
        sum(rates) if rates else (0.0 if nothing_runs else None),
        moment.overall.p50_ns,
        moment.overall.p99_ns,
        sum_known(tuple(used)),
    )
    return Sample(moment.snapshot.time_ns, cores, overall, runtimes)


class History:
    """Samples of the last five minutes, and the last moments."""

    def __init__(self, interval_seconds: float = 1.0) -> None:
        """With a long interval, at least 60 samples are kept however old they are."""
        self._seconds = max(HISTORY_SECONDS, interval_seconds * _MIN_SAMPLES)
        self._spacing_ns = int(self._seconds * 1e9 / _MAX_SAMPLES)
        self._hold_ns = int(interval_seconds * 1.6e9)
        self._samples: list[Sample] = []
        self._times: list[int] = []
        self._moments: deque[Moment] = deque(maxlen=MAX_MOMENTS)
        self._finished: dict[int, dict[int, Mapping[int, float]]] = {}

    def add(self, moment: Moment) -> None:
        """Keep a moment; what is too old goes."""
        self._moments.append(moment)
        if moment.rates is None:
            return
        time_ns = moment.snapshot.time_ns
        if self._times and time_ns - self._times[-1] < self._spacing_ns:
            return
        self._samples.append(make_sample(moment))
        self._times.append(time_ns)
        limit = time_ns - int(self._seconds * 1e9)
        while self._times[0] < limit:
            del self._samples[0]
            del self._times[0]

    def step(self, shown: Moment, count: int) -> Moment:
        """The moment ``count`` looks after (or before) ``shown``, or the nearest that is kept."""
        times = [m.snapshot.time_ns for m in self._moments]
        if not times:
            return shown
        at = bisect_left(times, shown.snapshot.time_ns) + count
        return self._moments[max(0, min(len(times) - 1, at))]

    def _columns(self, end_ns: int, width_ns: int, first: int) -> list[list[Sample]]:
        """The samples that fall into each column from number ``first`` up to the one of ``end_ns``.

        Column ``n`` begins ``n`` times its width after the clock's zero, so that a curve moves on by whole columns and
        never shivers. A sample stands for the time until the next one is due.
        """
        columns = end_ns // width_ns - first + 1
        found: list[list[Sample]] = [[] for _ in range(columns)]
        held: Sample | None = None
        for index in range(bisect_left(self._times, first * width_ns - self._hold_ns), len(self._samples)):
            sample = self._samples[index]
            if sample.time_ns > end_ns:
                break
            column = sample.time_ns // width_ns - first
            if column < 0:
                held = sample
            elif column < columns:
                found[column].append(sample)
        for column, samples in enumerate(found):
            if samples:
                held = samples[-1]
            elif held is not None and (first + column) * width_ns - held.time_ns <= self._hold_ns:
                samples.append(held)
        return found

    def series(self, pick: Pick, end_ns: int, seconds: float, columns: int) -> list[float | None]:
        """``columns`` values over the ``seconds`` up to ``end_ns``: means of the samples that fall into each."""
        width_ns = _width_ns(seconds, columns)
        found = self._columns(end_ns, width_ns, end_ns // width_ns - columns + 1)
        return [mean_known([pick(s) for s in samples]) for samples in found]

    def core_series(self, end_ns: int, seconds: float, columns: int) -> dict[int, list[float | None]]:
        """The same of every core's utilization, by global core index."""
        width_ns = _width_ns(seconds, columns)
        last = end_ns // width_ns
        first = last - columns + 1
        means = self._core_means(end_ns, width_ns, first, last)
        found: dict[int, list[float | None]] = {}
        for number in range(first, last + 1):
            for core, value in means.get(number, _NO_CORES).items():
                found.setdefault(core, [None] * columns)[number - first] = value
        return found

    def _core_means(self, end_ns: int, width_ns: int, first: int, last: int) -> dict[int, Mapping[int, float]]:
        """Column -> core -> mean. Columns that are over don't change, and are computed once."""
        if width_ns not in self._finished and len(self._finished) >= _MOST_WIDTHS:
            self._finished.clear()
        finished = self._finished.setdefault(width_ns, {})
        for number in [n for n in finished if n < first - (last - first)]:
            del finished[number]
        begin = next((n for n in range(first, last) if n not in finished), last)
        over = min(last, self._times[-1] // width_ns) if self._times else first
        means = dict(finished)
        for number, samples in enumerate(self._columns(end_ns, width_ns, begin), begin):
            means[number] = _means(samples)
            if number < over:
                finished[number] = means[number]
        return means


def _width_ns(seconds: float, columns: int) -> int:
    return max(1, int(seconds * 1e9 / max(1, columns)))


def _means(samples: Sequence[Sample]) -> dict[int, float]:
    sums: dict[int, float] = {}
    for sample in samples:
        for core, value in sample.cores.items():
            sums[core] = sums.get(core, 0.0) + value
    return {core: value / len(samples) for core, value in sums.items()}
