"""Counters by tag that do not decrease while a runtime of the tag is alive."""

from __future__ import annotations

from collections.abc import Iterable

from neuron_monitor.prometheus.seen import Counters, RuntimeSeen, plus
from neuron_monitor.prometheus.table import TagView
from runtime_core.telemetry import Histogram

_Key = tuple[int, int]


def _add(one: Counters, other: Counters) -> Counters:
    return Counters(
        plus(one.errors, other.errors),
        plus(one.executions, other.executions),
        _plus(one.durations, other.durations),
    )


def _plus(one: Histogram | None, other: Histogram | None) -> Histogram | None:
    if one is None or other is None:
        return other if one is None else one
    return one.plus(other)


def _newest(known: Counters, new: Counters) -> Counters:
    """Return the newest known values: a value that cannot be read now keeps its previous state."""
    return Counters(
        known.errors if new.errors is None else new.errors,
        known.executions if new.executions is None else new.executions,
        known.durations if new.durations is None else new.durations,
    )


class _Tag:
    """The runtimes of one tag: the live ones, and the counts of those that ended while another one was alive."""

    def __init__(self, since_seconds: float) -> None:
        self.live: dict[_Key, Counters] = {}
        self.ended = Counters()
        self.since_seconds = since_seconds

    def update(self, runtimes: list[RuntimeSeen]) -> None:
        now = {runtime.key: _newest(self.live.get(runtime.key, Counters()), runtime.counters) for runtime in runtimes}
        for key in self.live.keys() - now.keys():
            self.ended = _add(self.ended, self.live[key])
        self.live = now

    def view(self, runtimes: list[RuntimeSeen]) -> TagView:
        total = self.ended
        for counters in self.live.values():
            total = _add(total, counters)
        return TagView(tuple(runtimes), total, self.since_seconds)


class Totals:
    """Tracks runtimes over reports; tags without live runtimes are dropped, so that churn does not use memory."""

    def __init__(self) -> None:
        self._tags: dict[str, _Tag] = {}

    def update(self, seen: Iterable[RuntimeSeen]) -> dict[str, TagView]:
        """Process the live runtimes, and return the state of each tag.

        A tag without a runtime from the previous report starts again from zero, with a new start time.
        """
        by_tag: dict[str, list[RuntimeSeen]] = {}
        for runtime in seen:
            by_tag.setdefault(runtime.tag, []).append(runtime)
        tags = {}
        for name, runtimes in by_tag.items():
            tag = self._tags.get(name)
            if tag is None or tag.live.keys().isdisjoint(runtime.key for runtime in runtimes):
                tag = _Tag(min(runtime.since_seconds for runtime in runtimes))
            tag.update(runtimes)
            tags[name] = tag
        self._tags = tags
        return {name: tags[name].view(runtimes) for name, runtimes in by_tag.items()}
