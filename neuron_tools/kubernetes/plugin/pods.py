"""Pods on this node that the scheduler extension has chosen ids for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol


class PendingPods(Protocol):
    """The choices of the scheduler extension for pods whose containers have not started."""

    def ids_for(self, resource: str, size: int, free: Collection[int], must: Collection[int]) -> tuple[int, ...] | None:
        """The ids chosen for the oldest pod that waits for ``size`` of ``resource``, if they are free."""
        ...

    def used(self, resource: str, ids: Sequence[int]) -> None:
        """The kubelet has allocated these ids: note it on the pod that they were chosen for."""
        ...
