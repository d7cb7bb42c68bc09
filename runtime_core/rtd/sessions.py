"""Sessions: everything that a client creates in one is freed when the client disconnects."""

from __future__ import annotations

import secrets
import threading

from runtime_core.rtd.status import RtdError
from runtime_core.status import Nerr

MAX_SESSIONS = 512
"""Maximum number of sessions. Each occupies a thread of the server; the other half of the threads serves calls."""
MAX_SESSIONS_OF_A_HOST = 256
"""Limit per TCP address, so that one host cannot use up all sessions."""


class Sessions:
    """The sessions that are open."""

    def __init__(self) -> None:
        """None yet."""
        self._open: dict[int, str] = {}
        self._lock = threading.Lock()

    def begin(self, host: str = "") -> int:
        """Open a session and return its id, which is not 0 and which other clients cannot guess.

        Args:
            host: the address that a client connects from; "" if unknown (a Unix socket).

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
        """Close a session, so that nothing more can be created in it; ``False`` if it was already closed."""
        with self._lock:
            if session_id not in self._open:
                return False
            del self._open[session_id]
            return True

    def check(self, session_id: int) -> None:
        """Check that a session is open (0: no session).

        Raises:
            RtdError: INVALID.
        """
        if session_id and session_id not in self._open:
            raise RtdError(Nerr.INVALID, f"session {session_id} is not open", mend="call session_monitor first")

    @property
    def count(self) -> int:
        """The number of open sessions."""
        return len(self._open)
