"""Which process owns which NeuronCores."""

from __future__ import annotations

from collections.abc import Sequence

from runtime_core.driver.locks import LockFile, core_byte


def claim_cores(locks: LockFile, cores: Sequence[int]) -> list[int] | None:
    """Own all of ``cores`` or none; ``None`` when any of them is taken."""
    claimed: list[int] = []
    for core in cores:
        if not locks.try_lock(core_byte(core)):
            release_cores(locks, claimed)
            return None
        claimed.append(core)
    return claimed


def claim_count(locks: LockFile, count: int, total: int) -> list[int] | None:
    """Own the lowest run of ``count`` free neighbouring cores; ``None`` when there is no such run."""
    first = 0
    while first + count <= total:
        claimed: list[int] = []
        for core in range(first, first + count):
            if not locks.try_lock(core_byte(core)):
                release_cores(locks, claimed)
                first = core + 1
                break
            claimed.append(core)
        else:
            return claimed
    return None


def free_cores(locks: LockFile, cores: Sequence[int]) -> list[int]:
    """Those of ``cores`` that nobody owns."""
    return [core for core in cores if locks.holder(core_byte(core)) is None]


def release_cores(locks: LockFile, cores: Sequence[int]) -> None:
    """Give cores back."""
    for core in cores:
        locks.unlock(core_byte(core))
