"""Pods on this node for which the scheduler extension has chosen ids."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol


class PendingPods(Protocol):
    """Ids chosen by the scheduler extension for pods whose containers have not started."""

    def ids_for(self, resource: str, size: int, free: Collection[int], must: Collection[int]) -> tuple[int, ...] | None:
        """Return the ids chosen for the oldest pod that waits for ``size`` of ``resource``, if they are free."""
        ...

    def used(self, resource: str, ids: Sequence[int]) -> None:
        """Record an allocation by the kubelet on the pod for which these ids were chosen."""
        ...
