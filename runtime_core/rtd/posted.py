"""Posted inferences by cookie, until their results are returned."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass

from runtime_core.rtd.network import Inference, Network
from runtime_core.rtd.status import RtdError
from runtime_core.status import Nerr


@dataclass(frozen=True, eq=False)
class Posted:
    """An inference that runs or has run.

    Attributes:
        shm_ofmaps: OFMAP -> shared memory that receives it.
        owner: identity of the client that posted it, the only one that can get its result.
    """

    network: Network
    future: Future[Inference]
    shm_ofmaps: dict[str, str]
    owner: str


class PostedInferences:
    """All posted inferences whose results have not been returned."""

    def __init__(self) -> None:
        """None yet."""
        self._by_cookie: dict[int, Posted] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._by_cookie)

    def add(self, posted: Posted) -> int:
        """Store an inference; returns its cookie."""
        with self._lock:
            # A cookie gives access to the results, so other clients must not be able to guess it.
            cookie = 0
            while not cookie or cookie in self._by_cookie:
                cookie = secrets.randbits(63)
            self._by_cookie[cookie] = posted
            return cookie

    def get(self, cookie: int, owner: str) -> Posted:
        """The inference of a cookie.

        Raises:
            RtdError: INVALID_HANDLE, also for an inference of another client.
        """
        found = self._by_cookie.get(cookie)
        if found is None or found.owner != owner:
            raise RtdError(Nerr.INVALID_HANDLE, f"posted inference {cookie} not found: its result was already returned")
        return found

    def hand_over(self, cookie: int) -> Inference:
        """Remove an inference that has ended and return its result; frees its cookie and its slot.

        Raises:
            RtdError: INVALID_HANDLE, also if another thread took it first.
        """
        with self._lock:
            posted = self._by_cookie.pop(cookie, None)
        if posted is None:
            raise RtdError(Nerr.INVALID_HANDLE, f"posted inference {cookie} not found: its result was already returned")
        posted.network.free_slot()
        return posted.future.result()

    def completed(self, cookies: Iterable[int], owner: str) -> list[int]:
        """Return the ``cookies`` whose inferences have ended.

        Raises:
            RtdError: INVALID_HANDLE for an unknown cookie.
        """
        return [cookie for cookie in cookies if self.get(cookie, owner).future.done()]

    def drop(self, network: Network) -> None:
        """Drop the inferences of a network that was unloaded."""
        with self._lock:
            for cookie, posted in list(self._by_cookie.items()):
                if posted.network is network:
                    del self._by_cookie[cookie]
