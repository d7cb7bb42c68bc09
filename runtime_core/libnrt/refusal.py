"""Errors of calls that the library refuses before they reach the runtime."""

from __future__ import annotations

from runtime_core.status import NrtError


class CallError(NrtError):
    """A call has an invalid argument; the log names it."""
