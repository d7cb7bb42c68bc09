"""A kubelet's pod-resources service on a real unix socket."""

import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from runtime_core.telemetry.kubelet.podresources_pb2 import ListPodResourcesResponse


class FakeKubelet:
    """``answer``: bytes, or a status code to fail with. There is no response while ``hang`` is clear."""

    def __init__(self):
        # The path of a unix socket is limited to 107 bytes, which pytest's own directories may exceed.
        self._directory = tempfile.TemporaryDirectory(prefix="kubelet")
        self.socket = Path(self._directory.name) / "kubelet.sock"
        self.answer = ListPodResourcesResponse().SerializeToString()
        self.asked = 0
        self.hang = threading.Event()
        self.hang.set()
        self._server = None
        self.start()

    def start(self):
        handler = grpc.method_handlers_generic_handler(
            "v1.PodResourcesLister", {"List": grpc.unary_unary_rpc_method_handler(self._list)}
        )
        self._server = grpc.server(ThreadPoolExecutor(2))
        self._server.add_generic_rpc_handlers((handler,))
        self._server.add_insecure_port(f"unix:{self.socket}")
        self._server.start()

    def stop(self):
        self._server.stop(0).wait()

    def close(self):
        self.hang.set()
        self.stop()
        self._directory.cleanup()

    def _list(self, request, context):
        assert request == b""
        self.asked += 1
        self.hang.wait(60)
        if not isinstance(self.answer, bytes):
            context.abort(self.answer, "it is being tested")
        return self.answer

    def tell(self, *pods):
        """``pods``: (pod name, container name, resource, ids)."""
        answer = ListPodResourcesResponse()
        for pod, container, resource, ids in pods:
            entry = answer.pod_resources.add(name=pod, namespace="default")
            entry.containers.add(name=container).devices.add(resource_name=resource, device_ids=ids)
        self.answer = answer.SerializeToString()
