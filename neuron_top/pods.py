"""Which pods use the cores of this machine's node: asked beside the looks, so that no kubelet holds up the screen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from runtime_core.telemetry import Snapshot

if TYPE_CHECKING:
    from runtime_core.telemetry.kubelet.holdings import Holding

PERIOD_SECONDS = 15.0
"""Time between two questions to the kubelet."""

NO_PODS: Mapping[int, str] = MappingProxyType({})


def _ask() -> tuple[Holding, ...] | None:
    from runtime_core.telemetry.kubelet.pods import read_holdings

    return read_holdings()


class PodWatch:
    """Queries the kubelet from time to time, each time in a thread that ends with the response."""

    def __init__(
        self, ask: Callable[[], tuple[Holding, ...] | None] = _ask, period_seconds: float = PERIOD_SECONDS
    ) -> None:
        """``ask`` returns what the kubelet lists, ``None`` without an answer."""
        self._ask = ask
        self._period_seconds = period_seconds
        self._holdings: tuple[Holding, ...] = ()
        self._due = 0.0
        self._asking = threading.Lock()

    def pods(self, snapshot: Snapshot) -> Mapping[int, str]:
        """Global core index to ``NAMESPACE/POD``, by the last answer; nothing is waited for."""
        if time.monotonic() >= self._due and self._asking.acquire(blocking=False):
            threading.Thread(target=self._refresh, daemon=True, name="pods").start()
        if not self._holdings:
            return NO_PODS
        from runtime_core.telemetry.kubelet.pods import pods_by_core

        return pods_by_core(self._holdings, snapshot)

    def _refresh(self) -> None:
        try:
            found = self._ask()
            if found is not None:
                self._holdings = found
        finally:
            self._due = time.monotonic() + self._period_seconds
            self._asking.release()
