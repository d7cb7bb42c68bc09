"""Sessions: what a client makes under one is freed when the client goes."""

from __future__ import annotations

import secrets
import threading

from runtime_core.rtd.status import RtdError
from runtime_core.status import Nerr


class Sessions:
    """The sessions that are open."""

    def __init__(self) -> None:
        """None yet."""
        self._open: set[int] = set()
        self._lock = threading.Lock()

    def begin(self) -> int:
        """A new session's id: not 0, and nothing that another client could guess."""
        with self._lock:
            session_id = 0
            while not session_id or session_id in self._open:
                session_id = secrets.randbits(63)
            self._open.add(session_id)
            return session_id

    def end(self, session_id: int) -> bool:
        """Close a session; from now on nothing can be made under it. ``False`` when it was closed before."""
        with self._lock:
            if session_id not in self._open:
                return False
            self._open.remove(session_id)
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
