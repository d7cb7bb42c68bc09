"""A kubelet's device manager and pod-resources service on real sockets: registers plugins, watches and allocates."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import grpc
from google.protobuf.message import DecodeError

from neuron_tools.kubernetes.proto import deviceplugin_pb2 as pb
from runtime_core.errors import NeuronError
from runtime_core.telemetry.kubelet.podresources_pb2 import ListPodResourcesResponse

HEALTHY = "Healthy"
_SERVICE = "/v1beta1.DevicePlugin/"
_CALL_SECONDS = 10.0


class Container(NamedTuple):
    """The holder of ids: pod, namespace and container."""

    pod: str
    namespace: str = "default"
    name: str = "main"


class Registered:
    """A registered plugin: its channel, and its latest list."""

    def __init__(self, folder: Path, request: pb.RegisterRequest) -> None:
        """Connect to the plugin's socket and watch its list."""
        self.request = request
        self.health: dict[str, str] = {}
        self.numa: dict[str, list[int]] = {}
        self.lists = 0
        self._changed = threading.Condition()
        self._channel = grpc.insecure_channel(f"unix:{folder / request.endpoint}", [("grpc.enable_http_proxy", 0)])
        watch: grpc.UnaryStreamMultiCallable[bytes, bytes] = self._channel.unary_stream(f"{_SERVICE}ListAndWatch")
        self._stream = watch(pb.Empty().SerializeToString(), wait_for_ready=True)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        with contextlib.suppress(grpc.RpcError, DecodeError):
            for raw in self._stream:
                answer = pb.ListAndWatchResponse.FromString(raw)
                with self._changed:
                    self.health = {device.ID: device.health for device in answer.devices}
                    self.numa = {d.ID: [int(n.ID) for n in d.topology.nodes] for d in answer.devices}
                    self.lists += 1
                    self._changed.notify_all()

    def wait(self, condition: Callable[[dict[str, str]], bool], seconds: float = 15.0) -> bool:
        """Wait until the list satisfies a condition.

        Returns:
            Whether it does.
        """
        with self._changed:
            return self._changed.wait_for(lambda: condition(self.health), seconds)

    def call(self, name: str, request: bytes) -> bytes:
        """Call the plugin.

        Raises:
            grpc.RpcError: the plugin refused the call.
        """
        ask: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(_SERVICE + name)
        return ask(request, timeout=_CALL_SECONDS)

    def close(self) -> None:
        """Stop watching."""
        self._stream.cancel()
        self._channel.close()
        self._thread.join(5)


class Kubelet:
    """``admit`` allocates ids to a container: from the free ids, with the plugin's preference and Allocate."""

    def __init__(self) -> None:
        """Listen in a temporary directory."""
        # The path of a unix socket is limited to 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="kl"))
        self.plugin_dir = self.folder / "device-plugins"
        self.plugin_dir.mkdir()
        self.pod_resources = self.folder / "pods.sock"
        self.plugins: dict[str, Registered] = {}
        self.held: dict[tuple[Container, str], list[str]] = {}
        self.registrations: list[pb.RegisterRequest] = []
        self._arrived = threading.Condition()
        self._servers: list[grpc.Server] = []
        self.start()

    def start(self) -> None:
        """Start like a kubelet: delete every socket in the directory, then listen."""
        for path in self.plugin_dir.iterdir():
            path.unlink()
        self._servers = [
            self._server(self.plugin_dir / "kubelet.sock", "v1beta1.Registration", "Register", self._register),
            self._server(self.pod_resources, "v1.PodResourcesLister", "List", self._list),
        ]

    @staticmethod
    def _server(
        path: Path, service: str, method: str, answer: Callable[[bytes, grpc.ServicerContext], bytes]
    ) -> grpc.Server:
        server = grpc.server(ThreadPoolExecutor(4))
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(answer)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
        server.add_insecure_port(f"unix:{path}")
        server.start()
        return server

    def _register(self, raw: bytes, context: grpc.ServicerContext) -> bytes:
        request = pb.RegisterRequest.FromString(raw)
        if request.version != "v1beta1" or "/" in request.endpoint:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the version or the endpoint is not supported")
        with self._arrived:
            self.registrations.append(request)
            old = self.plugins.pop(request.resource_name, None)
            self.plugins[request.resource_name] = Registered(self.plugin_dir, request)
            self._arrived.notify_all()
        if old is not None:
            old.close()
        return pb.Empty().SerializeToString()

    def _list(self, _raw: bytes, _context: grpc.ServicerContext) -> bytes:
        answer = ListPodResourcesResponse()
        for (who, resource), ids in list(self.held.items()):
            entry = answer.pod_resources.add(name=who.pod, namespace=who.namespace)
            entry.containers.add(name=who.name).devices.add(resource_name=resource, device_ids=ids)
        return answer.SerializeToString()

    def wait_for(self, *resources: str, seconds: float = 60.0) -> bool:
        """Wait until plugins have registered these resources and sent their lists.

        Returns:
            Whether they have.
        """
        with self._arrived:
            if not self._arrived.wait_for(lambda: all(r in self.plugins for r in resources), seconds):
                return False
        return all(self.plugins[resource].wait(bool, seconds) for resource in resources)

    def wait_for_registrations(self, count: int, seconds: float = 20.0) -> bool:
        """Wait until there were ``count`` registrations since the start."""
        with self._arrived:
            return self._arrived.wait_for(lambda: len(self.registrations) >= count, seconds)

    def free(self, resource: str) -> list[str]:
        """Return the ids that are healthy and not allocated to a container by this kubelet."""
        held = {index for (_, name), ids in self.held.items() if name == resource for index in ids}
        return [i for i, health in self.plugins[resource].health.items() if health == HEALTHY and i not in held]

    def preferred(self, resource: str, free: Collection[str], count: int, must: Sequence[str] = ()) -> list[str]:
        """Return the plugin's preference among the free ids.

        Raises:
            grpc.RpcError: the plugin refused the call.
        """
        request = pb.PreferredAllocationRequest()
        request.container_requests.add(available_deviceIDs=free, must_include_deviceIDs=must, allocation_size=count)
        raw = self.plugins[resource].call("GetPreferredAllocation", request.SerializeToString())
        return list(pb.PreferredAllocationResponse.FromString(raw).container_responses[0].deviceIDs)

    def allocate(self, resource: str, ids: Sequence[str]) -> pb.ContainerAllocateResponse:
        """Return the plugin's response to an allocation of these ids.

        Raises:
            grpc.RpcError: the plugin refused the call.
        """
        request = pb.AllocateRequest()
        request.container_requests.add(devices_ids=ids)
        raw = self.plugins[resource].call("Allocate", request.SerializeToString())
        return pb.AllocateResponse.FromString(raw).container_responses[0]

    def admit(self, who: Container, resource: str, count: int) -> tuple[pb.ContainerAllocateResponse, list[int]]:
        """Allocate the requested ids to a container.

        Returns:
            The plugin's response, and the ids.

        Raises:
            NeuronError: too few ids are free, or the plugin refuses: the pod is not admitted.
        """
        free = self.free(resource)
        if len(free) < count:
            raise NeuronError(f"{len(free)} of {resource} are free, {count} requested", where=who.pod)
        try:
            ids = [i for i in self.preferred(resource, free, count) if i in free][:count]
            ids += [i for i in free if i not in ids][: count - len(ids)]
            grant = self.allocate(resource, ids)
        except grpc.RpcError as error:
            text = error.details() if isinstance(error, grpc.Call) else str(error)
            raise NeuronError(f"UnexpectedAdmissionError: {text}", where=who.pod) from None
        self.held[who, resource] = ids
        return grant, [int(index) for index in ids]

    def end(self, pod: str, namespace: str = "default") -> None:
        """Remove a pod and its allocations."""
        for key in [key for key in self.held if (key[0].pod, key[0].namespace) == (pod, namespace)]:
            del self.held[key]

    def stop(self) -> None:
        """Stop listening, as during an upgrade of the kubelet."""
        for plugin in self.plugins.values():
            plugin.close()
        self.plugins.clear()
        for server in self._servers:
            server.stop(0).wait()
        self._servers = []

    def restart(self) -> None:
        """Restart, as after an upgrade of the kubelet; containers keep running."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop listening and remove the directory."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
