"""Ownership of NeuronCores by processes."""

from __future__ import annotations

from collections.abc import Sequence

from runtime_core.driver.locks import LockFile, core_byte
from runtime_core.status import NrtError, NrtStatus

LOST = (
    "the runtime has lost its NeuronCores: something in this process closed the node's lock file, for example by "
    "copying the node directory; another process may own them now"
)

CLOSED = "the runtime is closed"

TRUNCATED = "the node's datastore was truncated while the runtime used it: nothing more is counted or executed"


TAKEN_DOWN = "the node was taken down while the runtime used it: nothing more is counted or executed"


class LostCoresError(NrtError):
    """The process can no longer use its cores and its page, and must not write them."""

    def __init__(self, reason: str = LOST) -> None:
        """``reason``: :data:`LOST`, :data:`CLOSED`, :data:`TRUNCATED` or :data:`TAKEN_DOWN`."""
        mend = "initialise it again" if reason == CLOSED else "close the runtime and initialise it again"
        if reason == TRUNCATED:
            mend = "set the node up again with 'neuron-sim down --force' and 'neuron-sim up'"
        elif reason == TAKEN_DOWN:
            mend = "set a node up with 'neuron-sim up', and start the program again"
        super().__init__(NrtStatus.CLOSED, reason, mend=mend)


def claim_cores(locks: LockFile, cores: Sequence[int]) -> list[int] | None:
    """Own all of ``cores`` or none; ``None`` when any of them is owned."""
    claimed: list[int] = []
    for core in cores:
        if not locks.try_lock(core_byte(core)):
            release_cores(locks, claimed)
            return None
        claimed.append(core)
    return claimed


def claim_count(locks: LockFile, count: int, usable: Sequence[int]) -> list[int] | None:
    """Own the lowest run of ``count`` free neighbouring cores of ``usable``; ``None`` when there is no such run."""
    claimed: list[int] = []
    for core in usable:
        if claimed and core != claimed[-1] + 1:
            release_cores(locks, claimed)
            claimed = []
        if locks.try_lock(core_byte(core)):
            claimed.append(core)
            if len(claimed) == count:
                return claimed
        else:
            release_cores(locks, claimed)
            claimed = []
    release_cores(locks, claimed)
    return None


def free_cores(locks: LockFile, cores: Sequence[int]) -> list[int]:
    """The ``cores`` that no process owns."""
    return [core for core in cores if locks.holder(core_byte(core)) is None]


def owners_of(locks: LockFile, cores: Sequence[int]) -> dict[int, list[int]]:
    """The processes that own some of ``cores``: pid to those cores."""
    found: dict[int, list[int]] = {}
    for core in cores:
        pid = locks.holder(core_byte(core))
        if pid:
            found.setdefault(pid, []).append(core)
    return found


def release_cores(locks: LockFile, cores: Sequence[int]) -> None:
    """Release cores; no effect for cores that the process does not own."""
    for core in cores:
        locks.unlock(core_byte(core))
