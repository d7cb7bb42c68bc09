"""The Python functions that implement the C functions, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

F = TypeVar("F", bound=Callable[..., "int | None"])

STATUS_CALLS: dict[str, Callable[..., int | None]] = {}
"""Functions that return an NRT_STATUS; an exception is converted to its status."""

PLAIN_CALLS: dict[str, Callable[..., int | None]] = {}
"""Functions that return nothing, a size or an address; after an exception they return 0."""


def status_call(function: F) -> F:
    """Export a function that returns an NRT_STATUS."""
    STATUS_CALLS[function.__name__] = function
    return function


def plain_call(function: F) -> F:
    """Export a function that returns nothing, a size or an address."""
    PLAIN_CALLS[function.__name__] = function
    return function
