"""A scenario's node as the only node of a cluster: pods are scheduled, started, evicted and restarted.

The communication is real: plugin and kubelet use gRPC over sockets, scheduler and detector use HTTP to the API server.
Only time is simulated: in each second of scenario time, every component takes one step.
"""

from __future__ import annotations

import itertools
import json
import urllib.request
from typing import NamedTuple

import msgspec

from neuron_tools.kubernetes import names
from neuron_tools.kubernetes.cluster import OfficialCluster
from neuron_tools.kubernetes.detector.detect import Detector
from neuron_tools.kubernetes.detector.report import Reporter
from neuron_tools.kubernetes.plugin.run import Plugin, Settings
from neuron_tools.kubernetes.proto import deviceplugin_pb2 as pb
from neuron_tools.kubernetes.rehearsal.apiserver import ApiServer
from neuron_tools.kubernetes.rehearsal.kubelet import Container, Kubelet
from neuron_tools.kubernetes.rehearsal.store import Change, Object
from neuron_tools.kubernetes.resets import reset_counts, resetter_for
from neuron_tools.kubernetes.scheduler.extender import Extender
from neuron_tools.kubernetes.scheduler.http import ExtenderServer
from neuron_tools.scenario.expectations import Moment
from neuron_tools.scenario.schema import ApplicationSpec
from neuron_tools.scenario.world import StartError, World
from runtime_core.driver.faults.spec import FaultSpec
from runtime_core.errors import NeuronError
from runtime_core.telemetry import Source, open_source

NODE = "node-0"
NAMESPACE = "default"
_STEP_NS = 10**9
_SETTLE_SECONDS = 10.0


class _Deployment(NamedTuple):
    """An application that always has one pod."""

    number: int
    application: ApplicationSpec
    names: itertools.count[int]


class ClusterWorld:
    """A world with a cluster; its methods are those of :class:`neuron_tools.scenario.world.World`."""

    def __init__(self, world: World) -> None:
        """Start API server, kubelet, plugin, scheduler and detector around ``world``.

        Raises:
            NeuronError: the components do not connect.
        """
        self._world = world
        self.source: Source = world.source
        self.moments: list[Moment] = []
        self._deployments: dict[str, _Deployment] = {}
        self._running: dict[str, str] = {}
        self._ran_before: set[str] = set()
        self._next_ns = 0
        own_source = open_source(world.source.name)
        self._api = ApiServer()
        self._api.store.listeners.append(self._changed)
        self._condition = "True"
        self._cordoned = False
        self._kubelet = Kubelet()
        cluster = OfficialCluster(self._api.url)
        settings = Settings(self._kubelet.plugin_dir, self._kubelet.pod_resources, self._kubelet.folder / "state")
        self._plugin = Plugin(settings, own_source, clock=lambda: self._world.now_ns() / 1e9)
        for server in self._plugin.servers:
            server.start()
        self._plugin.look()
        self._plugin.keep()
        if not self._kubelet.wait_for(*settings.resources):
            raise NeuronError("the device plugin did not register with the kubelet of the rehearsal")
        self._api.store.add("nodes", self._node_object())
        self._extender = Extender(cluster)
        self._extender_server = ExtenderServer(self._extender, ("127.0.0.1", 0))
        self._detector = Detector(Reporter(cluster, NODE), resetter_for(self.source), resets=reset_counts(self.source))

    def _node_object(self) -> Object:
        silicon = self._plugin.node.silicon
        instance = self.source.snapshot().instance.instance_type
        capacity = {
            names.DEVICE_RESOURCE: str(silicon.device_count),
            names.CORE_RESOURCE: str(silicon.core_count),
        }
        return {
            "metadata": {"name": NODE, "labels": {names.INSTANCE_TYPE_LABELS[0]: instance}},
            "spec": {},
            "status": {"capacity": capacity, "allocatable": capacity, "conditions": []},
        }

    # Events of the cluster, as expectations name them

    def _note(self, what: str) -> None:
        self.moments.append(Moment(self._world.now_ns() / 1e9, what))

    def _changed(self, change: Change) -> None:
        if change.kind != "nodes" or change.object["metadata"]["name"] != NODE:
            return
        cordoned = bool(change.object.get("spec", {}).get("unschedulable"))
        if cordoned is not self._cordoned:
            self._cordoned = cordoned
            self._note("node cordoned" if cordoned else "node back")
        for condition in change.object.get("status", {}).get("conditions", []):
            if condition["type"] == names.CONDITION and condition["status"] != self._condition:
                self._condition = condition["status"]
                self._note(f"condition {names.CONDITION} {self._condition}")

    # One second of the cluster

    def step(self) -> None:
        """Let each component take one step."""
        self._plugin.look()
        self._plugin.keep()
        self._wait_for_lists()
        self._detector.look(self.source.snapshot())
        self._replace_pods()
        self._end_pods()
        self._schedule()
        self._start_pods()

    def _wait_for_lists(self) -> None:
        """Wait until the kubelet has the plugin's list, because the stream between them takes some real time."""
        for service in self._plugin.services:
            wanted = {device.ID: device.health for device in service.listed().devices}
            if not self._kubelet.plugins[service.resource].wait(lambda health, w=wanted: health == w, _SETTLE_SECONDS):  # type: ignore[misc]
                raise NeuronError(f"the kubelet's list of {service.resource} differs from the plugin's")

    def _pods(self) -> dict[str, Object]:
        return {pod["metadata"]["name"]: pod for pod in self._api.store.all("pods")}

    def _replace_pods(self) -> None:
        alive = {pod["metadata"]["labels"]["app"] for pod in self._pods().values()}
        for tag, deployment in self._deployments.items():
            if tag not in alive:
                self._api.store.add("pods", _pod_object(f"{tag}-{next(deployment.names)}", deployment.application))

    def _end_pods(self) -> None:
        pods = self._pods()
        for name, tag in list(self._running.items()):
            if name not in pods:
                self._world.stop(tag)
                self._kubelet.end(name, NAMESPACE)
                del self._running[name]
                self._note(f"pod {tag} evicted")

    def _schedule(self) -> None:
        waiting = [pod for pod in self._pods().values() if not pod["spec"].get("nodeName")]
        if not waiting or self._cordoned:
            return
        self._extender.nodes.list()
        self._extender.pods.list()
        for pod in waiting:
            if self._ask("/filter", {"Pod": pod, "Nodes": None, "NodeNames": [NODE]})["NodeNames"]:
                meta = pod["metadata"]
                self._ask(
                    "/bind",
                    {"PodName": meta["name"], "PodNamespace": NAMESPACE, "PodUID": meta["uid"], "Node": NODE},
                )
                self._extender.pods.list()
        self._extender.write_maps(NODE)

    def _ask(self, path: str, body: Object) -> Object:
        port = self._extender_server.server_address[1]
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=_SETTLE_SECONDS) as answer:  # noqa: S310
            found: Object = json.load(answer)
        return found

    def _start_pods(self) -> None:
        for name, pod in self._pods().items():
            tag = pod["metadata"]["labels"]["app"]
            if pod["spec"].get("nodeName") != NODE or name in self._running or tag not in self._deployments:
                continue
            deployment = self._deployments[tag]
            resource, count = _request(deployment.application)
            try:
                grant, _ = self._kubelet.admit(Container(name, NAMESPACE), resource, count)
                self._world.start(deployment.number, self._placed(deployment.application, grant))
            except (NeuronError, StartError) as error:
                self._kubelet.end(name, NAMESPACE)
                self._fail(name, str(error))
                continue
            self._running[name] = tag
            self._api.store.change("pods", (NAMESPACE, name), lambda item: item["status"].update(phase="Running"))
            self._note(f"pod {tag} {'rescheduled' if tag in self._ran_before else 'running'}")
            self._ran_before.add(tag)

    def _fail(self, name: str, message: str) -> None:
        """Mark a pod that was not admitted as failed; its deployment creates another."""
        self._api.store.remove("pods", (NAMESPACE, name))
        self._note(f"pod {name} failed: {message}")

    def _placed(self, application: ApplicationSpec, grant: pb.ContainerAllocateResponse) -> ApplicationSpec:
        """Return the application with the placement in the container's variables."""
        cores = grant.envs.get("NEURON_RT_VISIBLE_CORES")
        if cores is None:
            silicon = self._plugin.node.silicon
            devices = map(int, grant.envs["AWS_NEURON_VISIBLE_DEVICES"].split(","))
            cores = ",".join(str(core) for device in devices for core in silicon.cores_of(device))
        return msgspec.structs.replace(application, cores=cores, pod=None)

    # Methods of a world

    def now_ns(self) -> int:
        """See the protocol."""
        return self._world.now_ns()

    def clock_ns(self) -> int:
        """See the protocol."""
        return self._world.clock_ns()

    def advance(self, until_ns: int) -> None:
        """See the protocol; the cluster takes a step in each second."""
        while self._next_ns <= until_ns:
            self._world.advance(self._next_ns)
            self.step()
            self._next_ns += _STEP_NS
        self._world.advance(until_ns)

    def start(self, number: int, application: ApplicationSpec) -> None:
        """See the protocol; an application with a pod starts when the cluster places it."""
        if application.pod is None:
            self._world.start(number, application)
            return
        self._deployments[application.tag] = _Deployment(number, application, itertools.count())

    def stop(self, tag: str) -> None:
        """See the protocol."""
        if self._deployments.pop(tag, None) is None:
            self._world.stop(tag)
            return
        for name, pod in self._pods().items():
            if pod["metadata"]["labels"]["app"] == tag:
                self._api.store.remove("pods", (NAMESPACE, name))
        self._end_pods()

    def kill(self, tag: str) -> None:
        """See the protocol; the kubelet restarts the container of a pod on the same cores."""
        self._world.kill(tag)
        for name in [name for name, running in self._running.items() if running == tag]:
            del self._running[name]
            self._kubelet.end(name, NAMESPACE)

    def hold(self, tag: str) -> None:
        """See the protocol."""
        self._world.hold(tag)

    def release(self, tag: str) -> None:
        """See the protocol."""
        self._world.release(tag)

    def inject(self, fault: FaultSpec) -> None:
        """See the protocol."""
        self._world.inject(fault)

    def clear(self) -> None:
        """See the protocol."""
        self._world.clear()

    def reset(self, device: int) -> None:
        """See the protocol."""
        self._world.reset(device)

    def close_cluster(self) -> None:
        """Close the cluster's components, but not the world."""
        self._extender_server.close()
        self._extender.close()
        self._plugin.close()
        self._kubelet.close()
        self._api.close()

    def close(self) -> None:
        """See the protocol."""
        self.close_cluster()
        self._world.close()


def _request(application: ApplicationSpec) -> tuple[str, int]:
    assert application.pod is not None  # noqa: S101 - the caller looked
    if application.pod.neuron is not None:
        return names.DEVICE_RESOURCE, application.pod.neuron
    return names.CORE_RESOURCE, application.pod.neuroncore or 1


def _pod_object(name: str, application: ApplicationSpec) -> Object:
    resource, count = _request(application)
    return {
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": application.tag}},
        "spec": {"containers": [{"name": "main", "resources": {"limits": {resource: str(count)}}}]},
        "status": {"phase": "Pending"},
    }
