"""Objects that a process makes once and shares, for as long as anything uses them."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Shared(Generic[Key, Value]):
    """Read-only objects by key. Threads that ask for the same key at once wait for the first one to make it."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._values: weakref.WeakValueDictionary[Key, Value] = weakref.WeakValueDictionary()
        self._making: dict[Key, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The object of ``key``; ``make()`` where there is none, whose exceptions pass through."""
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
