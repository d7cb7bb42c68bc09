"""The ids chosen by the scheduler extension, read from the annotations of this node's pods.

The kubelet makes the final choice, which the pod-resources service lists. Therefore the extension's choice is passed to
the kubelet as a preference, and if the kubelet chose other ids, the annotation is corrected.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Collection, Sequence

from neuron_tools.kubernetes import names
from neuron_tools.kubernetes.cluster import Cluster, ClusterError
from neuron_tools.kubernetes.informer import Informer
from neuron_tools.kubernetes.objects import PodObject, chosen_ids, has_ended, requests_of
from neuron_tools.kubernetes.silicon import Silicon, choose_cores, choose_devices

Key = tuple[str, str]

log = logging.getLogger("neuron-device-plugin")


class AnnotatedPods:
    """Implements :class:`neuron_tools.kubernetes.plugin.pods.PendingPods`. Thread-safe."""

    def __init__(self, cluster: Cluster, node: str, silicon: Silicon) -> None:
        """Start copying the node's pods.

        Args:
            cluster: the API server.
            node: name of this node.
            silicon: devices of this node.
        """
        self._cluster = cluster
        self._silicon = silicon
        self._lock = threading.Lock()
        self._used: dict[Key, set[int]] = {}
        self._informer = Informer(cluster, "pods", PodObject, self._changed, node)
        self._notes: queue.SimpleQueue[tuple[Key, dict[str, str]] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="annotations", daemon=True)
        self._informer.start()
        self._writer.start()

    def close(self) -> None:
        """Stop watching, and write pending annotations."""
        self._informer.close()
        self._notes.put(None)
        self._writer.join(5)

    def _changed(self, key: Key, pod: PodObject | None) -> None:
        if pod is None:
            with self._lock:
                self._used.pop(key, None)

    def _waiting(self, resource: str) -> list[tuple[Key, list[int], tuple[int, ...]]]:
        """Return pods that wait for their ids, the oldest first: key, unused ids, amounts requested by containers."""
        found = []
        for key, pod in list(self._informer.objects.items()):
            annotations = pod.metadata.annotations or {}
            ids = chosen_ids(pod)
            if ids is None or has_ended(pod) or annotations.get(names.ALLOCATED) == "true":
                continue
            wanted = next((r.by_container for r in requests_of(pod) if r.resource == resource), ())
            if wanted:
                left = [index for index in ids if index not in self._used.get(key, ())]
                found.append((annotations.get(names.ALLOCATION_TIME, ""), key, left, wanted))
        # Unix times in nanoseconds all have the same number of digits, so they sort as text.
        return [(key, left, wanted) for _, key, left, wanted in sorted(found, key=lambda entry: entry[:2])]

    def ids_for(self, resource: str, size: int, free: Collection[int], must: Collection[int]) -> tuple[int, ...] | None:
        """See the protocol."""
        choose = choose_cores if resource == names.CORE_RESOURCE else choose_devices
        with self._lock:
            for _, left, wanted in self._waiting(resource):
                if size in wanted:
                    chosen = choose(self._silicon, size, set(left) & set(free), must)
                    if chosen is not None:
                        return chosen
        return None

    def used(self, resource: str, ids: Sequence[int]) -> None:
        """See the protocol."""
        with self._lock:
            waiting = [entry for entry in self._waiting(resource) if len(ids) in entry[2]]
            match = next((entry for entry in waiting if set(entry[1]).issuperset(ids)), None)
            if match is None:
                if waiting:
                    key, left, _ = waiting[0]
                    self._note_other(key, left, ids)
                return
            key, left, _ = match
            self._used.setdefault(key, set()).update(ids)
            if set(left) == set(ids):
                self._notes.put((key, {names.ALLOCATED: "true"}))

    def _note_other(self, key: Key, left: Sequence[int], ids: Sequence[int]) -> None:
        """Record that the kubelet chose other ids for a pod than the extension."""
        pod = self._informer.objects[key]
        kept = [index for index in chosen_ids(pod) or () if index not in left[: len(ids)]]
        now = sorted({*kept, *ids})
        log.warning("pod %s/%s: the kubelet chose %s, not %s", *key, list(ids), list(left))
        self._used.setdefault(key, set()).update(ids)
        done = len(ids) >= len(left)
        self._notes.put((key, {names.IDS: ",".join(map(str, now)), **({names.ALLOCATED: "true"} if done else {})}))

    def _write(self) -> None:
        while (note := self._notes.get()) is not None:
            (namespace, name), annotations = note
            try:
                self._cluster.patch_pod(namespace, name, {"metadata": {"annotations": annotations}})
            except ClusterError as error:
                log.warning("%s", error)
