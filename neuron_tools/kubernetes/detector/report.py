"""Reports to the cluster: the node's condition, events, cordon and eviction."""

from __future__ import annotations

import datetime
import uuid

import msgspec

from neuron_tools.kubernetes import names
from neuron_tools.kubernetes.cluster import Cluster, ClusterError
from neuron_tools.kubernetes.detector.problems import HEALTHY_MESSAGE, HEALTHY_REASON, Problem
from neuron_tools.kubernetes.objects import PodObject, has_ended, requests_of

SOURCE = "neuron-problem-detector"
NAMESPACE = "default"
"""Events about a node are written here."""


class _Pods(msgspec.Struct):
    items: list[PodObject] = []


def _time(unix_ns: int) -> str:
    moment = datetime.datetime.fromtimestamp(unix_ns / 1e9, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Reporter:
    """Writes reports about one node."""

    def __init__(self, cluster: Cluster, node: str, *, problem_is_true: bool = False) -> None:
        """Create a reporter.

        Args:
            cluster: the cluster's API server.
            node: name of the node.
            problem_is_true: use the polarity of node-problem-detector, where status True is a problem.
        """
        self._cluster = cluster
        self._node = node
        self._problem_is_true = problem_is_true

    def condition(self, problem: Problem | None, now_unix_ns: int, since_unix_ns: int) -> None:
        """Write the condition ``NeuronHealth``.

        Raises:
            ClusterError: the API server refused.
        """
        well = problem is None
        condition = {
            "type": names.CONDITION,
            "status": "True" if well is not self._problem_is_true else "False",
            "reason": HEALTHY_REASON if problem is None else problem.reason,
            "message": HEALTHY_MESSAGE if problem is None else problem.message,
            "lastHeartbeatTime": _time(now_unix_ns),
            "lastTransitionTime": _time(since_unix_ns),
        }
        self._cluster.patch_node_status(self._node, {"status": {"conditions": [condition]}})

    def event(self, reason: str, message: str, now_unix_ns: int, *, warning: bool) -> None:
        """Write an event about the node.

        Raises:
            ClusterError: the API server refused.
        """
        moment = _time(now_unix_ns)
        self._cluster.event(
            NAMESPACE,
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": f"{self._node}.{uuid.uuid4().hex[:16]}", "namespace": NAMESPACE},
                "involvedObject": {"kind": "Node", "name": self._node, "uid": self._node},
                "reason": reason,
                "message": message[:1000],
                "type": "Warning" if warning else "Normal",
                "source": {"component": SOURCE, "host": self._node},
                "firstTimestamp": moment,
                "lastTimestamp": moment,
                "count": 1,
            },
        )

    def cordon(self, *, wanted: bool) -> None:
        """Cordon or uncordon the node.

        Raises:
            ClusterError: the API server refused.
        """
        self._cluster.patch_node(self._node, {"spec": {"unschedulable": True if wanted else None}})

    def neuron_pods(self) -> list[PodObject]:
        """Return the pods of the node that hold Neuron resources.

        Raises:
            ClusterError: the API server refused, or its answer is invalid.
        """
        raw = self._cluster.list("pods", self._node)
        try:
            pods = msgspec.json.decode(raw, type=_Pods).items
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ClusterError(f"the list of pods cannot be read: {error}", where=self._node) from None
        return [pod for pod in pods if requests_of(pod) and not has_ended(pod)]

    def evict(self, pod: PodObject) -> None:
        """Evict a pod, if its disruption budget allows it.

        Raises:
            ClusterError: the API server refused, temporarily (429) or permanently.
        """
        self._cluster.evict(pod.metadata.namespace, pod.metadata.name)
