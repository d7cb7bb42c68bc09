"""NeuronCore Groups: runs of neighbouring cores of one daemon, each core in one group at most."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runtime_core.rtd.status import RtdError
from runtime_core.status import Nerr

if TYPE_CHECKING:
    from runtime_core.rtd.network import Network


@dataclass(eq=False)
class Group:
    """A NeuronCore Group.

    Attributes:
        group_id: its handle on the wire.
        first_vnc: index of its first core among the daemon's.
        cores: global indices.
        implicit: made by a load that named no group, for that network alone.
        session_id: of the session that owns it, 0 for none.
        lock: held while its networks are loaded, started, stopped or unloaded.
        networks: by handle.
        destroyed: nothing can be loaded into it any more.
        random_seed: as the client set it.
    """

    group_id: int
    first_vnc: int
    cores: tuple[int, ...]
    implicit: bool
    session_id: int
    lock: threading.RLock = field(default_factory=threading.RLock)
    networks: dict[int, Network] = field(default_factory=dict)
    destroyed: bool = False
    random_seed: int | None = None

    @property
    def started(self) -> Network | None:
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
    """Where a group goes: the lowest run of ``count`` free cores; 0: the largest run, whole.

    Args:
        taken: for each of the daemon's cores, whether a group holds it.
        count: cores asked for.

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
            f"{count or 'any'} neighbouring NeuronCore(s) asked for, the largest free run has {largest} "
            f"of {len(taken)}: destroy a group first",
        )
    return fitting, count
