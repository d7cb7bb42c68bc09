"""The sockets of the plugin: a gRPC server per resource beside the kubelet's socket, and its registration."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import grpc
from google.protobuf.message import DecodeError, Message

from neuron_tools.kubernetes.plugin.ledger import TakenError
from neuron_tools.kubernetes.plugin.service import PluginService
from neuron_tools.kubernetes.proto import deviceplugin_pb2 as pb
from runtime_core.errors import NeuronError, UsageError
from runtime_core.rtd.wire import Call, calls

VERSION = "v1beta1"
KUBELET_SOCKET = "kubelet.sock"
_REGISTER_SECONDS = 5.0
_THREADS = 16
_CALLS = calls(pb.DESCRIPTOR.services_by_name["DevicePlugin"])
_REGISTER = calls(pb.DESCRIPTOR.services_by_name["Registration"])["Register"]
_OPTIONS = [("grpc.so_reuseport", 0)]

log = logging.getLogger("neuron-device-plugin")
log.addHandler(logging.NullHandler())


def _encode(message: Message) -> bytes:
    return message.SerializeToString()


class SocketId(NamedTuple):
    """Identity of a socket file, which distinguishes it from a replacement."""

    device: int
    inode: int
    changed_ns: int


def socket_id(path: Path) -> SocketId | None:
    """Return the identity of a socket file, or ``None`` if it does not exist."""
    try:
        found = path.stat()
    except OSError:
        return None
    return SocketId(found.st_dev, found.st_ino, found.st_ctime_ns)


class _Handlers:
    """Binds the calls of the service; failures become statuses, so that no request ends the plugin."""

    def __init__(self, service: PluginService) -> None:
        self._service = service
        self._answers: dict[str, Callable[[Message], Message]] = {
            "GetDevicePluginOptions": lambda _request: service.options(),
            "GetPreferredAllocation": service.preferred,  # type: ignore[dict-item]
            "Allocate": service.allocate,  # type: ignore[dict-item]
            "PreStartContainer": lambda _request: pb.PreStartContainerResponse(),
        }

    def generic(self) -> grpc.GenericRpcHandler:
        """Return the handlers of all calls of the service."""
        handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {}
        for name, call in _CALLS.items():
            if call.server_streams:
                handlers[name] = grpc.unary_stream_rpc_method_handler(self._watch)
            else:
                handlers[name] = grpc.unary_unary_rpc_method_handler(self._answer(call))
        return grpc.method_handlers_generic_handler("v1beta1.DevicePlugin", handlers)

    def _watch(self, _request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        context.add_callback(self._service.wake)
        return (answer.SerializeToString() for answer in self._service.watch(context.is_active))

    def _answer(self, call: Call) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        def handle(request: bytes, context: grpc.ServicerContext) -> bytes:
            try:
                return self._answers[call.name](call.request.FromString(request)).SerializeToString()
            except DecodeError:
                code, text = grpc.StatusCode.INVALID_ARGUMENT, "the request is not a message of this call"
            except UsageError as error:
                code, text = grpc.StatusCode.INVALID_ARGUMENT, str(error)
            except TakenError as error:
                code, text = grpc.StatusCode.RESOURCE_EXHAUSTED, str(error)
            except (NeuronError, OSError) as error:
                code, text = grpc.StatusCode.INTERNAL, str(error)
            log.warning("%s %s refused: %s", self._service.resource, call.name, text)
            context.abort(code, text)
            raise AssertionError("abort raises")

        return handle


class ResourceServer:
    """The server of one resource; it listens beside the kubelet's socket and registers there."""

    def __init__(self, service: PluginService, kubelet_dir: Path) -> None:
        """Create a server; :meth:`start` starts it.

        Args:
            service: answers the calls.
            kubelet_dir: directory of ``kubelet.sock``.
        """
        self.service = service
        self._dir = kubelet_dir
        self.endpoint = f"neuron-{service.resource.rpartition('/')[2]}.sock"
        self.path = kubelet_dir / self.endpoint
        self._server: grpc.Server | None = None
        self._mine: SocketId | None = None
        self._registered: SocketId | None = None

    def start(self) -> None:
        """Listen, and replace a socket left by an earlier plugin.

        Raises:
            NeuronError: the directory is missing or not writable.
        """
        self.stop()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        server = grpc.server(
            ThreadPoolExecutor(_THREADS, thread_name_prefix=self.endpoint), options=_OPTIONS, maximum_concurrent_rpcs=64
        )
        server.add_generic_rpc_handlers((_Handlers(self.service).generic(),))
        try:
            if not server.add_insecure_port(f"unix:{self.path}"):
                raise RuntimeError("the port is 0")
        except RuntimeError:
            mend = "check --kubelet-dir" if not self._dir.is_dir() else "run as a user who may write there"
            raise NeuronError("cannot listen", where=str(self.path), mend=mend) from None
        server.start()
        self._server = server
        self._mine = socket_id(self.path)
        self._registered = None

    def keep(self) -> None:
        """Listen again if the kubelet deleted the socket; register with a kubelet that does not know this plugin."""
        if socket_id(self.path) != self._mine or self._server is None:
            log.info("%s: the socket was removed, listening again", self.endpoint)
            self.start()
        kubelet = socket_id(self._dir / KUBELET_SOCKET)
        if kubelet is not None and kubelet != self._registered and self._register():
            self._registered = kubelet

    def forget(self) -> None:
        """Register again at the next :meth:`keep`."""
        self._registered = None

    @property
    def registered(self) -> bool:
        """Whether the kubelet that is listening now knows this plugin."""
        return self._registered is not None

    def _register(self) -> bool:
        request = pb.RegisterRequest(
            version=VERSION,
            endpoint=self.endpoint,
            resource_name=self.service.resource,
            options=self.service.options(),
        )
        with grpc.insecure_channel(f"unix:{self._dir / KUBELET_SOCKET}", [("grpc.enable_http_proxy", 0)]) as channel:
            ask = channel.unary_unary(_REGISTER.path, _encode, pb.Empty.FromString)
            try:
                ask(request, timeout=_REGISTER_SECONDS)
            except grpc.RpcError as error:
                reason = error.details() if isinstance(error, grpc.Call) else str(error)
                log.warning("%s: the kubelet refused the registration: %s", self.service.resource, reason)
                return False
        log.info("%s: registered with the kubelet", self.service.resource)
        return True

    def stop(self) -> None:
        """Stop listening, and remove the socket."""
        if self._server is None:
            return
        self.service.wake()
        self._server.stop(0.5).wait()
        self._server = None
        if socket_id(self.path) == self._mine:
            with contextlib.suppress(OSError):
                os.unlink(self.path)
