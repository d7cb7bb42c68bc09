"""The table of opaque handles. A handle is a number, never an address."""

from __future__ import annotations

import itertools
from typing import TypeVar

from runtime_core.libnrt.refusal import CallError
from runtime_core.status import NrtStatus

T = TypeVar("T")

_FIRST = 0x4E52_0000_0000_0010
"""Not an address of any process on x86-64 or arm64, so dereferencing a handle fails at once. Numbers are not reused."""
_STEP = 16

_KINDS = {"LoadedModel": "model", "TensorSet": "tensor set", "Tensor": "tensor"}


class HandleError(CallError):
    """A handle is NULL, freed, or of another kind."""


class HandleTable:
    """Live handles. All operations are atomic."""

    def __init__(self) -> None:
        """No handles."""
        self._objects: dict[int, object] = {}
        self._numbers: dict[int, int] = {}
        self._next = itertools.count(_FIRST, _STEP)

    def __len__(self) -> int:
        return len(self._objects)

    def add(self, item: object) -> int:
        """Return a new handle for ``item``."""
        number = next(self._next)
        self._objects[number] = item
        self._numbers[id(item)] = number
        return number

    def peek(self, handle: int) -> object | None:
        """Return the object of a handle, or ``None`` if there is none."""
        return self._objects.get(handle)

    def find(self, handle: int, kind: type[T]) -> T:
        """Return the object of a handle.

        Raises:
            HandleError: the handle is not a live handle of this kind.
        """
        found = self._objects.get(handle)
        if type(found) is not kind:
            raise HandleError(NrtStatus.INVALID_HANDLE, _problem(handle, kind, found))
        return found

    def take(self, handle: int, kind: type[T]) -> T:
        """Remove a handle and return its object; if two threads do so, only one succeeds.

        Raises:
            HandleError: as for :meth:`find`.
        """
        item = self.find(handle, kind)
        if self._objects.pop(handle, None) is None:
            raise HandleError(NrtStatus.INVALID_HANDLE, _problem(handle, kind, None))
        self._numbers.pop(id(item), None)
        return item

    def handle_of(self, item: object) -> int:
        """Return the live handle of an object.

        Raises:
            HandleError: the object has no handle any more.
        """
        number = self._numbers.get(id(item))
        if number is None:
            raise HandleError(NrtStatus.INVALID_HANDLE, "the object was freed")
        return number

    def every(self, kind: type[T]) -> list[T]:
        """Return all live objects of a kind."""
        return [item for item in list(self._objects.values()) if type(item) is kind]

    def clear(self) -> None:
        """Remove all handles."""
        self._objects.clear()
        self._numbers.clear()


def _problem(handle: int, kind: type[object], found: object | None) -> str:
    name = _KINDS.get(kind.__name__, kind.__name__)
    if not handle:
        return f"the {name} is NULL"
    if found is None:
        return f"{handle:#x} is not a live {name}: it was freed, or did not come from this library"
    return f"{handle:#x} is a {_KINDS.get(type(found).__name__, type(found).__name__)}, expected a {name}"
