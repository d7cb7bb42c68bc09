"""The verdicts on a node as the views need them: which cores, devices, links and processes are marked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from runtime_core.telemetry import Severity, Verdict, VerdictKind


class Faults(NamedTuple):
    """What is marked.

    Attributes:
        hung: global core indices.
        lost: device indices.
        hurt: devices with memory errors that ECC could not correct.
        down, slow: links, each as the two devices that it joins.
        runtimes: pid -> the worst that is known of it; ``tags``: the same of those that only a tag names.
    """

    hung: frozenset[int] = frozenset()
    lost: frozenset[int] = frozenset()
    hurt: frozenset[int] = frozenset()
    down: frozenset[frozenset[int]] = frozenset()
    slow: frozenset[frozenset[int]] = frozenset()
    runtimes: Mapping[int, Severity] = MappingProxyType({})
    tags: Mapping[str, Severity] = MappingProxyType({})

    def grade(self, pid: int, tag: str) -> Severity | None:
        """The worst that is known of a runtime."""
        known = [g for g in (self.runtimes.get(pid), self.tags.get(tag)) if g is not None]
        return max(known, default=None)


NO_FAULTS = Faults()


def faults_of(verdicts: Iterable[Verdict]) -> Faults:
    """What ``verdicts`` mark."""
    hung, lost, hurt = set(), set(), set()
    down, slow = set(), set()
    runtimes: dict[int, Severity] = {}
    tags: dict[str, Severity] = {}
    for verdict in verdicts:
        where = verdict.where
        if verdict.kind is VerdictKind.CORE_HUNG and where.core is not None:
            hung.add(where.core)
        elif verdict.kind is VerdictKind.DEVICE_LOST and where.device is not None:
            lost.add(where.device)
        elif verdict.kind is VerdictKind.ECC_UNCORRECTED and where.device is not None:
            hurt.add(where.device)
        elif verdict.kind is VerdictKind.LINK_DOWN and where.link is not None:
            down.add(frozenset(where.link))
        elif verdict.kind is VerdictKind.LINK_SLOW and where.link is not None:
            slow.add(frozenset(where.link))
        if where.tag and where.pid is None:
            tags[where.tag] = max(verdict.severity, tags.get(where.tag, Severity.NOTICE))
        if where.pid is not None:
            runtimes[where.pid] = max(verdict.severity, runtimes.get(where.pid, Severity.NOTICE))
    if not (hung or lost or hurt or down or slow or runtimes or tags):
        return NO_FAULTS
    return Faults(
        frozenset(hung), frozenset(lost), frozenset(hurt), frozenset(down), frozenset(slow - down), runtimes, tags
    )


def view_of(verdict: Verdict) -> str:
    """The view that shows it best."""
    if verdict.where.core is not None:
        return "cores"
    if verdict.where.link is not None or verdict.where.device is not None:
        return "topology"
    return "processes" if verdict.where.pid is not None else "events"
