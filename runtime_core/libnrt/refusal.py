"""What the library itself refuses, before the runtime sees the call."""

from __future__ import annotations

from runtime_core.status import NrtError


class CallError(NrtError):
    """A call with a wrong argument; the log says which."""
