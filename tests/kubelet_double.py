"""A kubelet's device manager and pod-resources service on real sockets: it registers plugins, watches and allocates."""

import shutil
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from neuron_monitor.k8s.podresources_pb2 import ListPodResourcesResponse
from neuron_tools.kubernetes.proto import deviceplugin_pb2 as pb

HEALTHY = "Healthy"


def serialize(message):
    return message.SerializeToString()


class PluginSeen:
    """What the kubelet knows of a registered plugin: its channel and its last list."""

    def __init__(self, folder, request):
        self.request = request
        self.channel = grpc.insecure_channel(f"unix:{folder / request.endpoint}")
        self.health = {}
        self.numa = {}
        self.lists = 0
        self.changed = threading.Condition()
        watch = self.channel.unary_stream(
            "/v1beta1.DevicePlugin/ListAndWatch", serialize, pb.ListAndWatchResponse.FromString
        )
        self.stream = watch(pb.Empty(), wait_for_ready=True)
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        try:
            for answer in self.stream:
                with self.changed:
                    self.health = {device.ID: device.health for device in answer.devices}
                    self.numa = {d.ID: [n.ID for n in d.topology.nodes] for d in answer.devices}
                    self.lists += 1
                    self.changed.notify_all()
        except grpc.RpcError:
            pass

    def wait(self, condition, seconds=15):
        """Until the list is as ``condition`` wants it."""
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self.health), seconds), self.health

    def call(self, name, request, answer):
        ask = self.channel.unary_unary(f"/v1beta1.DevicePlugin/{name}", serialize, answer.FromString)
        return ask(request, timeout=10)

    def close(self):
        self.stream.cancel()
        self.channel.close()
        self.thread.join(5)


class KubeletDouble:
    """``admit`` gives a pod what it asks for as the kubelet does: free ids, the plugin's preference, Allocate."""

    def __init__(self):
        # The path of a unix socket is limited to 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="kl"))
        self.plugin_dir = self.folder / "device-plugins"
        self.plugin_dir.mkdir()
        self.pod_resources = self.folder / "pods.sock"
        self.plugins = {}
        self.pods = {}
        self.registrations = []
        self.arrived = threading.Condition()
        self._servers = []
        self.start()

    def start(self):
        """As a kubelet starts: it deletes every socket in the folder, then listens."""
        for path in self.plugin_dir.iterdir():
            path.unlink()
        self._servers = [
            self._server(self.plugin_dir / "kubelet.sock", "v1beta1.Registration", "Register", self._register),
            self._server(self.pod_resources, "v1.PodResourcesLister", "List", self._list),
        ]

    def _server(self, path, service, method, answer):
        server = grpc.server(ThreadPoolExecutor(4))
        handler = grpc.unary_unary_rpc_method_handler(answer)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
        server.add_insecure_port(f"unix:{path}")
        server.start()
        return server

    def _register(self, raw, context):
        request = pb.RegisterRequest.FromString(raw)
        if request.version != "v1beta1" or "/" in request.endpoint:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not a registration")
        with self.arrived:
            self.registrations.append(request)
            old = self.plugins.pop(request.resource_name, None)
            self.plugins[request.resource_name] = PluginSeen(self.plugin_dir, request)
            self.arrived.notify_all()
        if old is not None:
            old.close()
        return pb.Empty().SerializeToString()

    def _list(self, _raw, _context):
        answer = ListPodResourcesResponse()
        for (name, _), (resource, ids) in list(self.pods.items()):
            entry = answer.pod_resources.add(name=name, namespace="default")
            entry.containers.add(name="main").devices.add(resource_name=resource, device_ids=ids)
        return answer.SerializeToString()

    def wait_for(self, *resources, seconds=20):
        """Until these resources are registered and listed."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: all(r in self.plugins for r in resources), seconds), self.plugins
        for resource in resources:
            self.plugins[resource].wait(lambda health: bool(health), seconds)

    def free(self, resource):
        """Ids that are healthy and held by no pod, by this kubelet's own books."""
        held = {index for name, ids in self.pods.values() if name == resource for index in ids}
        return [i for i, health in self.plugins[resource].health.items() if health == HEALTHY and i not in held]

    def preferred(self, resource, free, count, must=()):
        request = pb.PreferredAllocationRequest()
        request.container_requests.add(available_deviceIDs=free, must_include_deviceIDs=must, allocation_size=count)
        answer = self.plugins[resource].call("GetPreferredAllocation", request, pb.PreferredAllocationResponse)
        return list(answer.container_responses[0].deviceIDs)

    def allocate(self, resource, ids):
        request = pb.AllocateRequest()
        request.container_requests.add(devices_ids=ids)
        return self.plugins[resource].call("Allocate", request, pb.AllocateResponse).container_responses[0]

    def admit(self, pod, resource, count):
        """The pod's grant and ids; ``None`` where too few ids are free or the plugin refuses."""
        free = self.free(resource)
        if len(free) < count:
            return None
        ids = [i for i in self.preferred(resource, free, count) if i in free][:count]
        ids += [i for i in free if i not in ids][: count - len(ids)]
        try:
            grant = self.allocate(resource, ids)
        except grpc.RpcError:
            return None
        self.pods[pod, resource] = (resource, ids)
        return grant, [int(i) for i in ids]

    def end(self, pod):
        """The pod is gone, with what it held."""
        for key in [key for key in self.pods if key[0] == pod]:
            del self.pods[key]

    def stop(self):
        for plugin in self.plugins.values():
            plugin.close()
        self.plugins.clear()
        for server in self._servers:
            server.stop(0).wait()

    def restart(self):
        """As after an upgrade of the kubelet; pods go on."""
        self.stop()
        self.start()

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
