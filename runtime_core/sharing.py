"""Objects that a process creates once and shares while they are in use."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Shared(Generic[Key, Value]):
    """Read-only objects by key. If several threads request a new key, one creates the object and the others wait."""

    def __init__(self) -> None:
        """Create an empty table."""
        self._values: weakref.WeakValueDictionary[Key, Value] = weakref.WeakValueDictionary()
        self._making: dict[Key, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return the object of ``key``. If there is none, call ``make()``; its exceptions are raised here."""
        with self._lock:
            found = self._values.get(key)
            if found is not None:
                return found
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                found = self._values.get(key)
            try:
                value = make() if found is None else found
                with self._lock:
                    self._values[key] = value
            finally:
                with self._lock:
                    self._making.pop(key, None)
        return value
