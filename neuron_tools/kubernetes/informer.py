"""A local copy of the cluster's pods or nodes, kept up to date by a watch that may be interrupted at any time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from neuron_tools.kubernetes.cluster import Cluster, ClusterError
from neuron_tools.kubernetes.objects import Meta, NodeObject, PodObject
from runtime_core.decoding import prepare

_GONE = 410
_FIRST_PAUSE_SECONDS = 0.1
_MAX_PAUSE_SECONDS = 10.0
T = TypeVar("T", PodObject, NodeObject)

log = logging.getLogger("neuron-kubernetes")
log.addHandler(logging.NullHandler())


class _ListMeta(msgspec.Struct):
    resourceVersion: str = ""


class _List(msgspec.Struct):
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)
    items: list[msgspec.Raw] = []


class _Event(msgspec.Struct):
    type: str = ""
    object: msgspec.Raw = msgspec.Raw(b"{}")


class _Status(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Bare(msgspec.Struct):
    metadata: Meta = msgspec.field(default_factory=Meta)


prepare(_List, _Event, _Status, _Bare)


class ExpiredError(Exception):
    """The start version of a watch is too old: the objects must be listed again."""


class Informer(Generic[T]):
    """Pods by (namespace, name), or nodes by ("", name)."""

    def __init__(
        self,
        cluster: Cluster,
        kind: str,
        of: type[T],
        changed: Callable[[tuple[str, str], T | None], None],
        node: str | None = None,
    ) -> None:
        """Create an informer; :meth:`start` starts it.

        Args:
            cluster: the API server.
            kind: ``pods`` or ``nodes``.
            of: type of the records.
            changed: called with the key and the current object (``None`` if it was deleted), one call at a time.
            node: copy only the pods of this node.
        """
        self._cluster = cluster
        self._kind = kind
        self._of: type[T] = of
        self._changed: Callable[[tuple[str, str], T | None], None] = changed
        self._node = node
        self._stop = threading.Event()
        self.synced = threading.Event()
        self.objects: dict[tuple[str, str], T] = {}
        self._version = ""
        self._thread = threading.Thread(target=self._run, name=f"watch {kind}", daemon=True)

    def start(self) -> None:
        """List and watch in a separate thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()

    def _run(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while not self._stop.is_set():
            try:
                if not self._version:
                    self.list()
                self.follow()
                pause = _FIRST_PAUSE_SECONDS
            except ExpiredError:
                self._version = ""
            except ClusterError as error:
                if error.status == _GONE:
                    self._version = ""
                    continue
                log.warning("%s", error)
                self._stop.wait(pause)
                pause = min(2 * pause, _MAX_PAUSE_SECONDS)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                log.warning("watching %s: invalid data from the server (%s), listing again", self._kind, error)
                self._version = ""
                self._stop.wait(pause)
                pause = min(2 * pause, _MAX_PAUSE_SECONDS)

    def list(self) -> None:
        """Replace the copy by a new list; objects that are not in it were deleted.

        Raises:
            ClusterError: there was no valid answer.
        """
        found = msgspec.json.decode(self._cluster.list(self._kind, self._node), type=_List)
        items = [msgspec.json.decode(item, type=self._of) for item in found.items]
        now = {self._key(item.metadata): item for item in items}
        for key in self.objects.keys() - now.keys():
            self._take(key, None)
        for key, item in now.items():
            old = self.objects.get(key)
            if old is None or old.metadata.resourceVersion != item.metadata.resourceVersion:
                self._take(key, item)
        self._version = found.metadata.resourceVersion
        self.synced.set()

    def follow(self) -> None:
        """Apply changes until the stream ends.

        Raises:
            ExpiredError: changes may have been missed.
            ClusterError: the stream was interrupted; the next call continues from there.
        """
        for line in self._cluster.watch(self._kind, self._version, self._node):
            if self._stop.is_set():
                return
            event = msgspec.json.decode(line, type=_Event)
            if event.type == "ERROR":
                status = msgspec.json.decode(event.object, type=_Status)
                if status.code == _GONE:
                    raise ExpiredError
                raise ClusterError(f"watching {self._kind}: {status.message}", status=status.code)
            if event.type == "BOOKMARK":
                self._version = msgspec.json.decode(event.object, type=_Bare).metadata.resourceVersion
                continue
            item = msgspec.json.decode(event.object, type=self._of)
            self._take(self._key(item.metadata), None if event.type == "DELETED" else item)
            self._version = item.metadata.resourceVersion

    @staticmethod
    def _key(meta: Meta) -> tuple[str, str]:
        return meta.namespace, meta.name

    def _take(self, key: tuple[str, str], item: T | None) -> None:
        if item is None:
            self.objects.pop(key, None)
        else:
            self.objects[key] = item
        self._changed(key, item)
