"""Which NeuronCores containers hold, through whichever resource: the two resources describe the same silicon."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from neuron_tools.kubernetes.names import CORE_RESOURCE
from neuron_tools.kubernetes.silicon import Silicon
from runtime_core.errors import NeuronError

GRACE_SECONDS = 10.0
"""How long an allocation counts that the kubelet does not list yet: it lists a pod as soon as it has admitted it."""


class TakenError(NeuronError):
    """A core that is asked for is held through the other resource."""


class Hold(NamedTuple):
    """Who holds a core.

    Attributes:
        resource: the resource that it was allocated by.
        since: time of the allocation (monotonic, seconds).
    """

    resource: str
    since: float


class Ledger:
    """The holds on a node's cores. Safe for threads."""

    def __init__(self, silicon: Silicon, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with every core free.

        Args:
            silicon: of the node.
            clock: seconds that only go forward.
        """
        self._silicon = silicon
        self._clock = clock
        self._lock = threading.Lock()
        self._holds: dict[int, Hold] = {}
        self._listed: dict[int, str] = {}

    def cores(self, resource: str, ids: Iterable[int]) -> list[int]:
        """The cores that ids of a resource stand for."""
        if resource == CORE_RESOURCE:
            return list(ids)
        return [core for device in ids for core in self._silicon.cores_of(device)]

    def allocate(self, resource: str, ids: Iterable[int]) -> None:
        """Note an allocation. The kubelet alone decides over one resource, so what that resource held before is over.

        Raises:
            TakenError: a core is held through the other resource; nothing is noted.
        """
        cores = self.cores(resource, ids)
        with self._lock:
            held = self._current()
            taken = sorted(core for core in cores if core in held and held[core] != resource)
            if taken:
                raise TakenError(
                    f"NeuronCore {taken[0]} is already allocated as {held[taken[0]]}",
                    mend="let the kubelet choose again, or offer one of the two resources only",
                )
            now = self._clock()
            for core in cores:
                self._holds[core] = Hold(resource, now)

    def reconcile(self, listed: Iterable[tuple[str, Iterable[int]]], asked: float) -> None:
        """Take over what the kubelet lists as allocated.

        Args:
            listed: (resource, ids) of each container.
            asked: time (monotonic, seconds) at which the kubelet was asked. An allocation after it may be missing from
                the list, and a core of it may still be listed for the pod that held it before.
        """
        found: dict[int, str] = {}
        for resource, ids in listed:
            for core in self.cores(resource, ids):
                found.setdefault(core, resource)
        with self._lock:
            # A hold that was once listed is gone from here, so the end of its pod frees the core within the grace too.
            self._holds = {
                core: hold
                for core, hold in self._holds.items()
                if hold.since >= asked or (core not in found and self._in_grace(hold))
            }
            self._listed = found

    def _in_grace(self, hold: Hold) -> bool:
        return self._clock() < hold.since + GRACE_SECONDS

    def _current(self) -> dict[int, str]:
        recent = {core: hold.resource for core, hold in self._holds.items() if self._in_grace(hold)}
        return {**self._listed, **recent}

    def held(self) -> dict[int, str]:
        """Core to the resource that it is held through."""
        with self._lock:
            return self._current()

    def blocked(self, resource: str) -> set[int]:
        """Ids of ``resource`` that cannot be offered, since a core of theirs is held through the other resource."""
        cores = {core for core, other in self.held().items() if other != resource}
        return cores if resource == CORE_RESOURCE else set(self._silicon.devices_of(cores))
