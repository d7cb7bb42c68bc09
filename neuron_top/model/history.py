"""The last minutes: samples for charts, and whole moments to step back to."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from neuron_top.model.moment import Moment, RuntimeKey
from neuron_top.model.sample import Figures, Sample, make_sample, mean_known

HISTORY_SECONDS = 300.0
MAX_MOMENTS = 300
MAX_BYTES = 80 << 20
"""Of moments and samples together: half for each."""

_MIN_SAMPLES = 60
_TREND_SECONDS = (60.0, 120.0, HISTORY_SECONDS)
"""A trend begins as short as the figures there are."""

_MAX_SAMPLES = 1500
_MOST_WIDTHS = 8
_NO_CORES: Mapping[int, float] = MappingProxyType({})

Pick = Callable[[Sample], float | None]
Combine = Callable[[list[float | None]], float | None]

_RUNTIME_BYTES, _CORE_BYTES, _MODEL_BYTES, _SUBGRAPH_BYTES, _DEVICE_BYTES, _VCPU_BYTES = 1900, 800, 450, 500, 450, 280
_SAMPLE_RUNTIME_BYTES, _SAMPLE_CORE_BYTES = 420, 110


def moment_bytes(moment: Moment) -> int:
    """About how much memory a moment takes, by what is in it; a test holds it against what Python measures."""
    snapshot = moment.snapshot
    size = len(snapshot.devices) * _DEVICE_BYTES
    size += len(snapshot.host.vcpus) * _VCPU_BYTES * 2 if snapshot.host is not None else 0
    for device in snapshot.devices:
        size += len(device.cores) * _CORE_BYTES
    for runtime in snapshot.runtimes:
        size += _RUNTIME_BYTES + len(runtime.cores) * _CORE_BYTES
        # Models are the same records from look to look while none is loaded or unloaded: half of them count.
        size += sum(_MODEL_BYTES + len(model.subgraphs) * _SUBGRAPH_BYTES for model in runtime.models) // 2
    return size


def sample_bytes(sample: Sample) -> int:
    """About how much memory a sample takes."""
    return len(sample.runtimes) * _SAMPLE_RUNTIME_BYTES + len(sample.cores) * _SAMPLE_CORE_BYTES


class History:
    """Samples of the last five minutes, and the last moments, in no more than :data:`MAX_BYTES`."""

    def __init__(self, interval_seconds: float = 1.0) -> None:
        """With a long interval, at least 60 samples are kept however old they are."""
        self._seconds = max(HISTORY_SECONDS, interval_seconds * _MIN_SAMPLES)
        self._spacing_ns = int(self._seconds * 1e9 / _MAX_SAMPLES)
        self._hold_ns = int(interval_seconds * 1.6e9)
        self._samples: list[Sample] = []
        self._times: list[int] = []
        self._moments: deque[Moment] = deque()
        self._moment_bytes: deque[int] = deque()
        self._moments_sum = self._samples_sum = 0
        self._finished: dict[tuple[str, int], dict[int, Mapping[Any, float]]] = {}

    def add(self, moment: Moment) -> None:
        """Keep a moment; what is too old goes."""
        self._moments.append(moment)
        self._moment_bytes.append(moment_bytes(moment))
        self._moments_sum += self._moment_bytes[-1]
        while len(self._moments) > MAX_MOMENTS or (self._moments_sum > MAX_BYTES // 2 and len(self._moments) > 2):
            self._moments.popleft()
            self._moments_sum -= self._moment_bytes.popleft()
        if moment.rates is None:
            return
        time_ns = moment.snapshot.time_ns
        if self._times and time_ns - self._times[-1] < self._spacing_ns:
            return
        self._samples.append(make_sample(moment))
        self._times.append(time_ns)
        self._samples_sum += sample_bytes(self._samples[-1])
        limit = time_ns - int(self._seconds * 1e9)
        while self._times[0] < limit or (self._samples_sum > MAX_BYTES // 2 and len(self._times) > 2):
            self._samples_sum -= sample_bytes(self._samples[0])
            del self._samples[0]
            del self._times[0]

    def seconds_until(self, end_ns: int) -> float:
        """From the first sample that is kept to a time."""
        return max(0.0, (end_ns - self._times[0]) / 1e9) if self._times else 0.0

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

    def series(
        self, pick: Pick, end_ns: int, seconds: float, columns: int, combine: Combine = mean_known
    ) -> list[float | None]:
        """``columns`` values over the ``seconds`` up to ``end_ns``: of the samples that fall into each, their mean."""
        width_ns = _width_ns(seconds, columns)
        found = self._columns(end_ns, width_ns, end_ns // width_ns - columns + 1)
        return [combine([pick(s) for s in samples]) for samples in found]

    def trends(self, figure: str, end_ns: int, columns: int) -> Callable[[RuntimeKey], list[float | None]]:
        """A figure (a field of Figures) of each runtime, in ``columns`` values over at most five minutes."""
        there = self.seconds_until(end_ns)
        span = next((seconds for seconds in _TREND_SECONDS if seconds >= there), HISTORY_SECONDS)
        width_ns = _width_ns(span, columns)
        last = end_ns // width_ns
        first = last - columns + 1
        means = self._means(figure, partial(_runtime_means, figure), end_ns, width_ns, first, last)
        nothing: Mapping[Any, float] = {}
        return lambda key: [means.get(number, nothing).get(key) for number in range(first, last + 1)]

    def core_series(self, end_ns: int, seconds: float, columns: int) -> dict[int, list[float | None]]:
        """The same of every core's utilization, by global core index."""
        width_ns = _width_ns(seconds, columns)
        last = end_ns // width_ns
        first = last - columns + 1
        means = self._means("cores", _core_means, end_ns, width_ns, first, last)
        found: dict[int, list[float | None]] = {}
        for number in range(first, last + 1):
            for core, value in means.get(number, _NO_CORES).items():
                found.setdefault(core, [None] * columns)[number - first] = value
        return found

    def _means(
        self, kind: str, means_of: MeansOf, end_ns: int, width_ns: int, first: int, last: int
    ) -> dict[int, Mapping[Any, float]]:
        """Column -> core (or runtime) -> mean. Columns that are over do not change, and are computed once."""
        if (kind, width_ns) not in self._finished and len(self._finished) >= _MOST_WIDTHS:
            self._finished.clear()
        finished = self._finished.setdefault((kind, width_ns), {})
        for number in [n for n in finished if n < first - (last - first)]:
            del finished[number]
        begin = next((n for n in range(first, last) if n not in finished), last)
        over = min(last, self._times[-1] // width_ns) if self._times else first
        means = dict(finished)
        for number, samples in enumerate(self._columns(end_ns, width_ns, begin), begin):
            means[number] = means_of(samples)
            if number < over:
                finished[number] = means[number]
        return means


def _width_ns(seconds: float, columns: int) -> int:
    return max(1, int(seconds * 1e9 / max(1, columns)))


MeansOf = Callable[[Sequence[Sample]], Mapping[Any, float]]


def _runtime_means(figure: str, samples: Sequence[Sample]) -> dict[RuntimeKey, float]:
    """One figure of each runtime."""
    place = Figures._fields.index(figure)
    sums: dict[RuntimeKey, list[float]] = {}
    for sample in samples:
        for key, figures in sample.runtimes.items():
            value = figures[place]
            if value is not None:
                sums.setdefault(key, []).append(value)
    return {key: sum(values) / len(values) for key, values in sums.items()}


def _core_means(samples: Sequence[Sample]) -> dict[int, float]:
    sums: dict[int, float] = {}
    for sample in samples:
        for core, value in sample.cores.items():
            sums[core] = sums.get(core, 0.0) + value
    return {core: value / len(samples) for core, value in sums.items()}
