"""The objects of the rehearsal's API server: pods, nodes and events, with versions and a history for watches."""

from __future__ import annotations

import copy
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

Object = dict[str, Any]
Key = tuple[str, str]
_HISTORY = 4096


class Change(NamedTuple):
    """A change of an object: ``ADDED``, ``MODIFIED`` or ``DELETED``, and the object after the change."""

    version: int
    kind: str
    type: str
    object: Object


class ConflictError(Exception):
    """The object is not in the state that the request requires."""


class MissingError(Exception):
    """The object does not exist."""


class ExpiredError(Exception):
    """The version is older than the history."""


def merge(target: Object, patch: Mapping[str, Any]) -> None:
    """Apply a JSON merge patch (RFC 7386): ``None`` removes, objects are merged, any other value replaces."""
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, dict):
            below = target.get(name)
            if not isinstance(below, dict):
                below = target[name] = {}
            merge(below, value)
        else:
            target[name] = copy.deepcopy(value)


def merge_strategic(target: Object, patch: Mapping[str, Any]) -> None:
    """Like :func:`merge`, but ``status.conditions`` are merged by type."""
    plain = copy.deepcopy(dict(patch))
    conditions = plain.get("status", {}).pop("conditions", None) if isinstance(plain.get("status"), dict) else None
    merge(target, plain)
    if conditions:
        kept = target.setdefault("status", {}).setdefault("conditions", [])
        for condition in conditions:
            same = next((c for c in kept if c.get("type") == condition.get("type")), None)
            if same is None:
                kept.append(condition)
            else:
                merge(same, condition)


class Store:
    """Versioned objects. Thread-safe."""

    def __init__(self, history: int = _HISTORY) -> None:
        """Create an empty store.

        Args:
            history: number of changes that a watch can go back.
        """
        self._changed = threading.Condition(threading.RLock())
        self._objects: dict[str, dict[Key, Object]] = {"pods": {}, "nodes": {}, "events": {}}
        self._history: list[Change] = []
        self._limit = history
        self._version = 1
        self.listeners: list[Callable[[Change], None]] = []

    @property
    def version(self) -> int:
        """Version of the last change."""
        return self._version

    def all(self, kind: str) -> list[Object]:
        """Return copies of all objects of a kind."""
        with self._changed:
            return copy.deepcopy(list(self._objects[kind].values()))

    def get(self, kind: str, key: Key) -> Object:
        """Return a copy of an object.

        Raises:
            MissingError: the object does not exist.
        """
        with self._changed:
            return copy.deepcopy(self._one(kind, key))

    def _one(self, kind: str, key: Key) -> Object:
        found = self._objects[kind].get(key)
        if found is None:
            raise MissingError(f'{kind} "{key[1]}" not found')
        return found

    def add(self, kind: str, item: Object) -> Object:
        """Add a new object.

        Raises:
            ConflictError: the name is already used.
        """
        item = copy.deepcopy(item)
        meta = item.setdefault("metadata", {})
        key = (meta.get("namespace", "") if kind != "nodes" else "", meta["name"])
        with self._changed:
            if key in self._objects[kind]:
                raise ConflictError(f'{kind} "{key[1]}" already exists')
            meta.setdefault("uid", str(uuid.uuid4()))
            self._objects[kind][key] = item
            self._note(kind, "ADDED", item)
            return copy.deepcopy(item)

    def change(self, kind: str, key: Key, how: Callable[[Object], None]) -> Object:
        """Change an object in place.

        Raises:
            MissingError: the object does not exist.
            ConflictError: raised by ``how``; then nothing is changed.
        """
        with self._changed:
            item = copy.deepcopy(self._one(kind, key))
            how(item)
            self._objects[kind][key] = item
            self._note(kind, "MODIFIED", item)
            return copy.deepcopy(item)

    def remove(self, kind: str, key: Key) -> None:
        """Delete an object.

        Raises:
            MissingError: the object does not exist.
        """
        with self._changed:
            item = self._one(kind, key)
            del self._objects[kind][key]
            self._note(kind, "DELETED", item)

    def _note(self, kind: str, change: str, item: Object) -> None:
        self._version += 1
        item["metadata"]["resourceVersion"] = str(self._version)
        noted = Change(self._version, kind, change, copy.deepcopy(item))
        self._history.append(noted)
        del self._history[: -self._limit]
        self._changed.notify_all()
        for listener in self.listeners:
            listener(noted)

    def forget(self) -> None:
        """Drop the history, so that every watch has to list again."""
        with self._changed:
            self._history.clear()
            self._version += 1
            self._changed.notify_all()

    def _oldest(self) -> int:
        return self._history[0].version - 1 if self._history else self._version

    def changes(self, kind: str, since: int, wait_seconds: float) -> tuple[list[Change], int]:
        """Return the changes after a version; wait for one if there is none yet.

        Returns:
            The changes, and the version up to which they are complete.

        Raises:
            ExpiredError: the history does not reach back that far.
        """
        with self._changed:
            if since < self._oldest():
                raise ExpiredError
            if since >= self._version:
                self._changed.wait(wait_seconds)
            if since < self._oldest():
                raise ExpiredError
            return [c for c in self._history if c.version > since and c.kind == kind], self._version


def nodes_of(items: list[Object]) -> Iterator[str]:
    """Yield the names of the objects."""
    return (str(item["metadata"]["name"]) for item in items)
