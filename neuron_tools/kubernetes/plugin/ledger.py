"""The NeuronCores that containers hold through either resource; both resources describe the same hardware."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from neuron_tools.kubernetes.names import CORE_RESOURCE
from neuron_tools.kubernetes.silicon import Silicon
from runtime_core.errors import NeuronError

GRACE_SECONDS = 10.0
"""Time for which an allocation counts before the kubelet lists it; the kubelet lists a pod once it has admitted it."""


class TakenError(NeuronError):
    """A requested core is held through the other resource."""


class Hold(NamedTuple):
    """A hold on a core.

    Attributes:
        resource: the resource through which the core was allocated.
        since: monotonic time of the allocation in seconds.
    """

    resource: str
    since: float


class Ledger:
    """The holds on a node's cores. Thread-safe."""

    def __init__(self, silicon: Silicon, clock: Callable[[], float] = time.monotonic) -> None:
        """Create a ledger with all cores free.

        Args:
            silicon: devices of the node.
            clock: returns seconds that never decrease.
        """
        self._silicon = silicon
        self._clock = clock
        self._lock = threading.Lock()
        self._holds: dict[int, Hold] = {}
        self._listed: dict[int, str] = {}

    def cores(self, resource: str, ids: Iterable[int]) -> list[int]:
        """Return the cores that belong to ids of a resource."""
        if resource == CORE_RESOURCE:
            return list(ids)
        return [core for device in ids for core in self._silicon.cores_of(device)]

    def allocate(self, resource: str, ids: Iterable[int]) -> None:
        """Record an allocation. It replaces earlier holds through the same resource, which only the kubelet allocates.

        Raises:
            TakenError: a core is held through the other resource; nothing is recorded.
        """
        cores = self.cores(resource, ids)
        with self._lock:
            held = self._current()
            taken = sorted(core for core in cores if core in held and held[core] != resource)
            if taken:
                raise TakenError(
                    f"NeuronCore {taken[0]} is already allocated as {held[taken[0]]}",
                    mend="let the kubelet choose again, or advertise only one of the two resources",
                )
            now = self._clock()
            for core in cores:
                self._holds[core] = Hold(resource, now)

    def reconcile(self, listed: Iterable[tuple[str, Iterable[int]]], asked: float) -> None:
        """Update the holds from the kubelet's list of allocations.

        Args:
            listed: (resource, ids) of each container.
            asked: monotonic time in seconds at which the kubelet was queried. A later allocation may be missing from
                the list, and its cores may still be listed for the pod that held them before.
        """
        found: dict[int, str] = {}
        for resource, ids in listed:
            for core in self.cores(resource, ids):
                found.setdefault(core, resource)
        with self._lock:
            # A listed hold is dropped here: when its pod ends, its core is free at once, even within the grace period.
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
        """Return core -> resource through which it is held."""
        with self._lock:
            return self._current()

    def blocked(self, resource: str) -> set[int]:
        """Return the ids of ``resource`` that cannot be allocated: the other resource holds one of their cores."""
        cores = {core for core, other in self.held().items() if other != resource}
        return cores if resource == CORE_RESOURCE else set(self._silicon.devices_of(cores))
