"""Sessions: what a client makes under one is freed when the client goes."""

from __future__ import annotations

import secrets
import threading

from runtime_core.rtd.status import RtdError
from runtime_core.status import Nerr

MAX_SESSIONS = 512
"""Each takes a thread of the server for as long as it lasts: the other half is left for calls."""
MAX_SESSIONS_OF_A_HOST = 256
"""Of one address over TCP, so that one host leaves room for others."""


class Sessions:
    """The sessions that are open."""

    def __init__(self) -> None:
        """None yet."""
        self._open: dict[int, str] = {}
        self._lock = threading.Lock()

    def begin(self, host: str = "") -> int:
        """A new session's id: not 0, and nothing that another client could guess.

        Args:
            host: the address that a client connects from; "": it cannot be told (a Unix socket).

        Raises:
            RtdError: RESOURCE, when too many are open.
        """
        with self._lock:
            if len(self._open) >= MAX_SESSIONS:
                raise RtdError(Nerr.RESOURCE, f"{MAX_SESSIONS} sessions are open", mend="end one first")
            if host and sum(other == host for other in self._open.values()) >= MAX_SESSIONS_OF_A_HOST:
                raise RtdError(
                    Nerr.RESOURCE, f"{MAX_SESSIONS_OF_A_HOST} sessions of {host} are open", mend="end one first"
                )
            session_id = 0
            while not session_id or session_id in self._open:
                session_id = secrets.randbits(63)
            self._open[session_id] = host
            return session_id

    def end(self, session_id: int) -> bool:
        """Close a session; from now on nothing can be made under it. ``False`` when it was closed before."""
        with self._lock:
            if session_id not in self._open:
                return False
            del self._open[session_id]
            return True

    def check(self, session_id: int) -> None:
        """Check that something can be made under a session (0: under none).

        Raises:
            RtdError: INVALID.
        """
        if session_id and session_id not in self._open:
            raise RtdError(Nerr.INVALID, f"session {session_id} is not open", mend="call session_monitor first")

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)
