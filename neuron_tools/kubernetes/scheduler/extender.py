"""The calls of the scheduler to the extension: filter the nodes on which a pod fits, and bind it to one."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, NamedTuple

import msgspec

from neuron_tools.kubernetes import names
from neuron_tools.kubernetes.cluster import Cluster, ClusterError
from neuron_tools.kubernetes.informer import Informer
from neuron_tools.kubernetes.objects import NodeObject, PodObject, Request, check_quantities, requests_of
from neuron_tools.kubernetes.scheduler.usage import Key, Usage
from runtime_core.errors import UsageError

log = logging.getLogger("neuron-scheduler")
log.addHandler(logging.NullHandler())


class _NodeList(msgspec.Struct):
    items: list[NodeObject] | None = None


class FilterAnswer(NamedTuple):
    """The nodes on which a pod fits, and the reasons for the other nodes."""

    fits: list[str]
    failed: dict[str, str]


def _lowered(raw: bytes) -> dict[str, Any]:
    """Return the top level of a request with lower-case names, because Go ignores their case."""
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"the request is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise UsageError("the request is not a JSON object")
    return {str(name).lower(): value for name, value in found.items()}


def _node_names(nodes: object) -> list[str]:
    """Return the names of a list of nodes (``NodeList``), or none."""
    try:
        found = msgspec.convert(nodes or {}, _NodeList)
    except msgspec.ValidationError as error:
        raise UsageError(f"the Nodes of the request cannot be read: {error}") from None
    return [node.metadata.name for node in found.items or ()]


def the_request(pod: PodObject) -> Request | None:
    """Return the Neuron request of a pod, or ``None`` if it has none.

    Raises:
        UsageError: the pod requests both devices and cores, or no whole number of them.
    """
    check_quantities(pod)
    requests = requests_of(pod)
    if len(requests) > 1:
        raise UsageError(
            "a pod requests devices or NeuronCores, not both",
            where=f"{pod.metadata.namespace}/{pod.metadata.name}",
            mend=f"use {names.CORE_RESOURCE} for all its containers",
        )
    return requests[0] if requests else None


class Extender:
    """The state of the extension and its two calls. Thread-safe."""

    def __init__(self, cluster: Cluster) -> None:
        """Create an extension for a cluster; :meth:`start` begins to copy its pods and nodes."""
        self._cluster = cluster
        self.usage = Usage()
        self._dirty: set[str] = set()
        self._wake = threading.Event()
        self._stop = False
        self.pods = Informer(cluster, "pods", PodObject, self._pod_changed)
        self.nodes = Informer(cluster, "nodes", NodeObject, self._node_changed)
        self._writer = threading.Thread(target=self._write_maps, name="usage maps", daemon=True)

    def start(self, wait_seconds: float = 30.0) -> bool:
        """Start copying pods and nodes.

        Returns:
            Whether both were listed within ``wait_seconds``.
        """
        self.nodes.start()
        ready = self.nodes.synced.wait(wait_seconds)
        self.pods.start()
        self._writer.start()
        return self.pods.synced.wait(wait_seconds) and ready

    @property
    def ready(self) -> bool:
        """Whether pods and nodes have been listed."""
        return self.nodes.synced.is_set() and self.pods.synced.is_set()

    def close(self) -> None:
        """Stop watching."""
        self._stop = True
        self.pods.close()
        self.nodes.close()
        self._wake.set()

    def _pod_changed(self, key: Key, pod: PodObject | None) -> None:
        node = self.usage.pod_changed(key, pod)
        if node is not None:
            self._touch(node)

    def _node_changed(self, key: Key, node: NodeObject | None) -> None:
        self.usage.node_changed(key[1], node)
        annotations = {} if node is None else node.metadata.annotations or {}
        if node is not None and any(annotations.get(n) != v for n, v in self.usage.maps(key[1]).items()):
            self._touch(key[1])

    def _touch(self, node: str) -> None:
        self._dirty.add(node)
        self._wake.set()

    def _write_maps(self) -> None:
        """Write the usage maps of changed nodes after a short delay, in one patch per node."""
        while not self._stop:
            self._wake.wait()
            time.sleep(0.05)
            self._wake.clear()
            if not self.ready:
                continue
            while self._dirty:
                self.write_maps(self._dirty.pop())

    def write_maps(self, node: str) -> None:
        """Write a node's usage maps."""
        maps = self.usage.maps(node)
        if maps:
            try:
                self._cluster.patch_node(node, {"metadata": {"annotations": dict(maps)}})
            except ClusterError as error:
                log.warning("%s", error)

    def filter(self, raw: bytes) -> FilterAnswer:
        """Answer ``/filter``.

        Args:
            raw: ``ExtenderArgs`` of kube-scheduler, with node names (``nodeCacheCapable``) or complete nodes.

        Raises:
            UsageError: the request is invalid.
        """
        asked = _lowered(raw)
        pod = self._pod(asked.get("pod"))
        listed = asked.get("nodenames")
        if listed is None:
            listed = _node_names(asked.get("nodes"))
        if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
            raise UsageError("NodeNames of the request is not a list of names")
        nodes: list[str] = listed
        request = the_request(pod)
        if request is None:
            return FilterAnswer(nodes, {})
        failed = self.usage.failures(request, nodes)
        return FilterAnswer([name for name in nodes if name not in failed], failed)

    @staticmethod
    def _pod(found: object) -> PodObject:
        if not isinstance(found, dict):
            raise UsageError("the request has no Pod")
        try:
            return msgspec.convert(found, PodObject)
        except msgspec.ValidationError as error:
            raise UsageError(f"the Pod of the request cannot be read: {error}") from None

    def bind(self, raw: bytes) -> None:
        """Answer ``/bind``: choose ids, write them on the pod, and bind it.

        Raises:
            UsageError: the request is invalid, or the pod no longer fits on the node.
            ClusterError: the API server refused; then nothing is reserved.
        """
        asked = {name: str(value or "") for name, value in _lowered(raw).items()}
        key = (asked.get("podnamespace", ""), asked.get("podname", ""))
        node = asked.get("node", "")
        if not all((*key, node)):
            raise UsageError("the request names no pod or no node", mend="send PodNamespace, PodName and Node")
        pod = self.pods.objects.get(key)
        if pod is None:
            # The pod may be newer than the watch.
            self.pods.synced.wait(1)
            deadline = time.monotonic() + 2.0
            while pod is None and time.monotonic() < deadline:
                time.sleep(0.02)
                pod = self.pods.objects.get(key)
        if pod is None:
            reason = "not found" if self.ready else "cannot be bound: pods and nodes have not been listed yet"
            raise UsageError(f"pod {key[0]}/{key[1]} {reason}")
        uid = asked.get("poduid", "")
        if uid and pod.metadata.uid and uid != pod.metadata.uid:
            raise UsageError(f"pod {key[0]}/{key[1]} was deleted and created again")
        if pod.spec.nodeName:
            raise UsageError(f"pod {key[0]}/{key[1]} is already bound to {pod.spec.nodeName}")
        request = the_request(pod)
        if request is None:
            self._cluster.bind(*key, uid, node)
            return
        ids = self.usage.take(key, request, node)
        if isinstance(ids, str):
            raise UsageError(ids, where=f"{node}")
        try:
            self._cluster.patch_pod(*key, {"metadata": {"annotations": annotations_of(request, ids)}})
            self._cluster.bind(*key, uid, node)
        except ClusterError:
            self.usage.give_back(key)
            raise
        self._touch(node)


def annotations_of(request: Request, ids: tuple[int, ...]) -> dict[str, str]:
    """Return the annotations that the extension writes on a pod before it binds the pod."""
    found = {
        names.IDS: ",".join(map(str, ids)),
        names.ALLOCATED: "false",
        names.ALLOCATION_TIME: str(time.time_ns()),
    }
    return {**found, names.RESOURCE_TYPE: request.resource} if request.resource == names.CORE_RESOURCE else found
