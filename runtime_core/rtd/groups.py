"""NeuronCore Groups: runs of neighbouring cores of one daemon; a core is in at most one group."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from runtime_core.neff.graph import Graph
from runtime_core.neff.validate import cores_per_node
from runtime_core.rtd.status import RtdError
from runtime_core.status import Nerr


class Startable(Protocol):
    """The part of a network that a group uses."""

    @property
    def started(self) -> bool:
        """Whether it runs now."""
        ...


N = TypeVar("N", bound=Startable)


@dataclass(eq=False)
class Group(Generic[N]):
    """A NeuronCore Group.

    Attributes:
        group_id: its handle on the wire.
        first_vnc: index of its first core among the daemon's.
        cores: global indices.
        implicit: created by a load without a group, for that network only.
        session_id: id of the session that owns it; 0: none.
        lock: held while its networks are loaded, started, stopped or unloaded.
        networks: by handle.
        destroyed: it accepts no more loads.
        random_seed: seed that the client set.
    """

    group_id: int
    first_vnc: int
    cores: tuple[int, ...]
    implicit: bool
    session_id: int
    lock: threading.RLock = field(default_factory=threading.RLock)
    networks: dict[int, N] = field(default_factory=dict)
    destroyed: bool = False
    random_seed: int | None = None

    @property
    def started(self) -> N | None:
        """The network that runs now."""
        return next((n for n in self.networks.values() if n.started), None)


def _free_runs(taken: list[bool]) -> list[tuple[int, int]]:
    """(first, length) of each run of free cores."""
    runs: list[tuple[int, int]] = []
    for vnc, is_taken in enumerate(taken):
        if is_taken:
            continue
        if runs and sum(runs[-1]) == vnc:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((vnc, 1))
    return runs


def find_run(taken: list[bool], count: int) -> tuple[int, int]:
    """Place a group on the lowest run of ``count`` free cores; 0: on the whole largest run.

    Args:
        taken: for each of the daemon's cores, whether a group holds it.
        count: number of cores.

    Returns:
        Its first core and its length.

    Raises:
        RtdError: RESOURCE_NC.
    """
    runs = _free_runs(taken)
    if count == 0 and runs:
        return max(runs, key=lambda run: run[1])
    fitting = next((first for first, length in runs if length >= count > 0), None)
    if fitting is None:
        largest = max((length for _, length in runs), default=0)
        raise RtdError(
            Nerr.RESOURCE_NC,
            f"{count or 'any'} neighbouring NeuronCore(s) requested, the largest free run has "
            f"{largest} of {len(taken)}",
            mend="destroy a group first",
        )
    return fitting, count


def place(graph: Graph, group_cores: Sequence[int]) -> tuple[tuple[int, ...], bool]:
    """Map each model-relative core to a core of the group.

    Args:
        graph: the model.
        group_cores: global cores of an explicit group.

    Returns:
        The cores, and whether the model's nodes have to share them (shared-NC mode).

    Raises:
        RtdError: RESOURCE_NC, when the group is smaller than the model's largest node.
    """
    needed = graph.core_count
    if needed <= len(group_cores):
        return tuple(group_cores[:needed]), False
    largest = max(cores_per_node(graph), default=1)
    if largest > len(group_cores):
        raise RtdError(
            Nerr.RESOURCE_NC,
            f"network {graph.name!r} needs {needed} NeuronCore(s), at least "
            f"{largest}; the group has {len(group_cores)}",
            mend="use a larger group",
        )
    return tuple(group_cores[i % len(group_cores)] for i in range(needed)), True


class Groups(Generic[N]):
    """The groups of a daemon. Not thread-safe: the caller holds a lock."""

    def __init__(self, cores: Sequence[int]) -> None:
        """Create groups from ``cores``: global indices, in the order of the links between their devices."""
        self._cores = tuple(cores)
        self._by_id: dict[int, Group[N]] = {}
        self._ids = itertools.count(1)

    def all(self) -> list[Group[N]]:
        """All groups, oldest first."""
        return list(self._by_id.values())

    def get(self, group_id: int) -> Group[N]:
        """A group by its handle.

        Raises:
            RtdError: INVALID_HANDLE.
        """
        found = self._by_id.get(group_id)
        if found is None:
            raise RtdError(Nerr.INVALID_HANDLE, f"NeuronCore Group {group_id} not found", mend="create it first")
        return found

    def create(self, count: int, session_id: int, *, implicit: bool) -> Group[N]:
        """Create a group of ``count`` neighbouring cores; 0: of the largest free run.

        Raises:
            RtdError: RESOURCE_NC.
        """
        taken = [False] * len(self._cores)
        for group in self._by_id.values():
            for vnc in range(group.first_vnc, group.first_vnc + len(group.cores)):
                taken[vnc] = True
        first, length = find_run(taken, count)
        made: Group[N] = Group(next(self._ids), first, self._cores[first : first + length], implicit, session_id)
        self._by_id[made.group_id] = made
        return made

    def remove(self, group: Group[N]) -> None:
        """Release a group's cores."""
        self._by_id.pop(group.group_id, None)
