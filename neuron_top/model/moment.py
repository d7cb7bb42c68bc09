"""One look at the node, made small enough to be kept: counts since the look before, latencies as quantiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from neuron_console.text import printable
from neuron_top.model.faults import Faults, faults_of
from runtime_core.telemetry import Histogram, Rates, Snapshot, Verdict, rates
from runtime_core.telemetry.snapshot import Device, Instance, Model

RuntimeKey = tuple[int, int]


class Latency(NamedTuple):
    """Latency of executions in the interval; ``None`` if nothing ran or the source does not report it."""

    p50_ns: float | None = None
    p99_ns: float | None = None


NO_LATENCY = Latency()


class LinkTraffic(NamedTuple):
    """Bytes per second sent over a device's links; ``None`` if unknown."""

    east: float | None
    west: float | None


class Moment(NamedTuple):
    """One look at a node, in the form that is kept.

    Attributes:
        snapshot: without latency histograms, which :attr:`latency` stands for.
        rates: since the look before, ``None`` at the first; without latency histograms.
        latency: runtime key -> its total latency in the interval; ``overall`` the same of all together.
        links: device index -> traffic in the interval.
        health: what is wrong, the worst first.
        lost: devices that were there and are gone.
        pods: global core index -> ``NAMESPACE/POD``, where Kubernetes is known.
    """

    snapshot: Snapshot
    rates: Rates | None
    latency: Mapping[RuntimeKey, Latency]
    overall: Latency
    links: Mapping[int, LinkTraffic]
    health: tuple[Verdict, ...] = ()
    lost: tuple[Device, ...] = ()
    pods: Mapping[int, str] = MappingProxyType({})

    @property
    def faults(self) -> Faults:
        """What the views mark."""
        return faults_of(self.health)

    @property
    def devices(self) -> tuple[Device, ...]:
        """Those of the snapshot and the lost ones, by their number."""
        if not self.lost:
            return self.snapshot.devices
        return tuple(sorted((*self.snapshot.devices, *self.lost), key=lambda d: d.index))


def _latency(histogram: Histogram | None) -> Latency:
    if histogram is None:
        return NO_LATENCY
    found = histogram.quantiles_ns((0.5, 0.99))
    return Latency(*found) if found else NO_LATENCY


def _merged(histograms: list[Histogram]) -> Histogram | None:
    """All together; bucket by bucket, for merging them one by one would sort anew for each."""
    if not histograms:
        return None
    buckets: dict[int, int] = {}
    for histogram in histograms:
        for index, count in histogram.buckets.items():
            buckets[index] = buckets.get(index, 0) + count
    return Histogram(dict(sorted(buckets.items())), sum(h.sum_ns for h in histograms))


def _per_second(after: int | None, before: int | None, seconds: float) -> float | None:
    if after is None or before is None or seconds <= 0:
        return None
    return max(0, after - before) / seconds


def _links(before: Snapshot, after: Snapshot, seconds: float) -> dict[int, LinkTraffic]:
    earlier = {device.index: device for device in before.devices}
    return {
        d.index: LinkTraffic(
            _per_second(d.link_east_bytes, earlier[d.index].link_east_bytes, seconds),
            _per_second(d.link_west_bytes, earlier[d.index].link_west_bytes, seconds),
        )
        for d in after.devices
        if d.index in earlier
    }


Clean = Callable[[str], str]


def _model(model: Model, clean: Clean) -> Model:
    name, uuid = clean(model.name), clean(model.uuid)
    return model if (name, uuid) == (model.name, model.uuid) else model._replace(name=name, uuid=uuid)


def _small(snapshot: Snapshot, clean: Clean) -> Snapshot:
    """Without histograms, and with nothing in it that a terminal would not print."""
    runtimes = tuple(
        r._replace(
            tag=clean(r.tag),
            command=clean(r.command),
            version=clean(r.version),
            error=clean(r.error),
            models=tuple(_model(model, clean) for model in r.models),
            total_latency=None,
            device_latency=None,
        )
        for r in snapshot.runtimes
    )
    instance = Instance(*map(clean, snapshot.instance))
    return snapshot._replace(runtimes=runtimes, instance=instance, source=clean(snapshot.source))


def clean_verdicts(verdicts: Iterable[Verdict], clean: Clean) -> tuple[Verdict, ...]:
    """With nothing in them that a terminal would not print: they name tags."""
    return tuple(
        replace(v, text=clean(v.text), detail=clean(v.detail), where=v.where._replace(tag=clean(v.where.tag)))
        for v in verdicts
    )


def make_moment(
    before: Snapshot | None,
    after: Snapshot,
    clean: Clean = printable,
    health: Iterable[Verdict] = (),
    lost: tuple[Device, ...] = (),
) -> Moment:
    """What to keep of ``after``, seen after ``before``; ``clean`` makes outside text fit for the terminal."""
    small, verdicts = _small(after, clean), clean_verdicts(health, clean)
    if before is None:
        return Moment(small, None, MappingProxyType({}), NO_LATENCY, MappingProxyType({}), verdicts, lost)
    changes = rates(before, after)
    histograms = {key: rate.total_latency for key, rate in changes.runtimes.items()}
    known = [h for h in histograms.values() if h is not None]
    slim = {k: r._replace(total_latency=None, device_latency=None) for k, r in changes.runtimes.items()}
    return Moment(
        small,
        changes._replace(runtimes=slim),
        {key: _latency(histogram) for key, histogram in histograms.items()},
        _latency(_merged(known)),
        _links(before, after, changes.seconds),
        verdicts,
        lost,
    )
