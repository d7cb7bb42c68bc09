"""Check the types of arguments, so that a wrong one is refused in one line, as the C library refuses a wrong handle."""

from __future__ import annotations

import operator
from typing import SupportsIndex

from runtime_core.status import NrtError, NrtStatus


def wrong_type(
    value: object, expected: str, *, status: NrtStatus = NrtStatus.INVALID, where: str = "", mend: str = ""
) -> NrtError:
    """The error for a value of another type than ``expected`` describes."""
    return NrtError(status, f"expected {expected}, not {type(value).__name__}", where=where, mend=mend)


def check_handle(value: object, kind: type[object], expected: str) -> None:
    """Check what the C library knows as a handle.

    Raises:
        NrtError: INVALID_HANDLE.
    """
    if not isinstance(value, kind):
        raise wrong_type(value, expected, status=NrtStatus.INVALID_HANDLE)


def whole(value: SupportsIndex, name: str) -> int:
    """Return a whole number.

    Raises:
        NrtError: INVALID; names the argument.
    """
    try:
        return operator.index(value)
    except TypeError:
        raise wrong_type(value, "a whole number", where=name) from None


def as_bytes(data: bytes | bytearray | memoryview, name: str, *, mend: str = "") -> memoryview:
    """Return the bytes of a buffer.

    Raises:
        NrtError: INVALID; names the argument.
    """
    try:
        return memoryview(data).cast("B")
    except (TypeError, ValueError):
        raise wrong_type(data, "contiguous bytes", where=name, mend=mend) from None
