"""The gRPC server: binds every call to its implementation, with health and reflection."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from runtime_core.errors import NeuronError
from runtime_core.rtd.access import Access
from runtime_core.rtd.caller import caller_of
from runtime_core.rtd.counter_service import CounterService
from runtime_core.rtd.manager import Manager
from runtime_core.rtd.proto import common_pb2, nmgr_pb2
from runtime_core.rtd.service import NetworkService
from runtime_core.rtd.status import RtdError
from runtime_core.rtd.streaming import InferenceStream, monitor_session
from runtime_core.rtd.wire import CHANNEL_OPTIONS, INSPECTION, NETWORK_MANAGER, SERVICES, Call, calls
from runtime_core.status import Nerr

MAX_CALLS = 1024
"""Maximum number of concurrent calls, one thread each. A session or a wait occupies its thread until it ends."""
_OTHER_ADDRESS = "choose another address with -g"
_MAX_DETAILS_BYTES = 2048
_BY_CALLER = {"infer_post", "infer_wait", "infer_poll", "infer_check_completion"}
"""Calls about posted inferences, which belong to their client."""

_OPTIONS = (
    *CHANNEL_OPTIONS,
    # A second daemon on the same port must be refused, not share it.
    ("grpc.so_reuseport", 0),
    # Detect a client whose machine disappeared, to end its session.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
)


def failure(call: Call, error: RtdError) -> Message:
    """The response of a failed call: only its status."""
    answer = call.response()
    status = answer if isinstance(answer, common_pb2.status) else getattr(answer, "status", None)
    if isinstance(status, common_pb2.status):
        status.code = error.code.value
        status.details = str(error).encode("utf-8", "replace")[:_MAX_DETAILS_BYTES]
    return answer


def _messages(call: Call, raw: Iterable[bytes]) -> Iterator[Message]:
    """Parse the messages of a stream. If gRPC itself failed to parse one, the stream's thread would wait forever.

    Raises:
        RtdError: INVALID, for bytes that are not a message.
    """
    for data in raw:
        try:
            yield call.request.FromString(data)
        except DecodeError:
            raise RtdError(Nerr.INVALID, f"the stream of {call.name} holds an invalid message") from None


def _answering(
    call: Call, answer: Callable[..., Message], manager: Manager
) -> Callable[[object, grpc.ServicerContext], Message]:
    """A handler that converts every failure to a status, so that no request can stop the daemon."""

    def handle(request: object, context: grpc.ServicerContext) -> Message:
        try:
            return answer(request, caller_of(context)) if call.name in _BY_CALLER else answer(request)
        except NeuronError as error:
            return failure(call, manager.error(call.name, error))
        except grpc.RpcError:
            return failure(call, RtdError(Nerr.FAIL, "the client disconnected"))
        except MemoryError:
            no_memory = RtdError(
                Nerr.RESOURCE, f"the host does not have enough memory for {call.name}", mend="unload a network"
            )
            return failure(call, manager.error(call.name, no_memory))
        except Exception as surprise:
            text = f"{call.name} failed unexpectedly: {type(surprise).__name__}: {surprise}"
            return failure(call, manager.error(call.name, RtdError(Nerr.FAIL, text)))

    return handle


class OpenStreams:
    """The open streams, so that the daemon can end them when it stops."""

    def __init__(self) -> None:
        """None yet."""
        self._contexts: set[grpc.ServicerContext] = set()
        self._lock = threading.Lock()

    def add(self, context: grpc.ServicerContext) -> None:
        """Record a stream that has started."""
        with self._lock:
            self._contexts.add(context)
        if not context.add_callback(lambda: self._remove(context)):
            self._remove(context)

    def _remove(self, context: grpc.ServicerContext) -> None:
        with self._lock:
            self._contexts.discard(context)

    def cancel(self) -> None:
        """End all of them."""
        with self._lock:
            contexts = list(self._contexts)
        for context in contexts:
            context.cancel()


def _parsing(call: Call, answer: Callable[[Iterator[Message]], Message]) -> Callable[[Iterable[bytes]], Message]:
    return lambda raw: answer(_messages(call, raw))


def _parsing_stream(
    call: Call, answer: Callable[[Iterator[Message], grpc.ServicerContext], Iterator[Message]]
) -> Callable[[Iterable[bytes], grpc.ServicerContext], Iterator[Message]]:
    def handle(raw: Iterable[bytes], context: grpc.ServicerContext) -> Iterator[Message]:
        try:
            yield from answer(_messages(call, raw), context)
        except RtdError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    return handle


def _handlers(
    manager: Manager, networks: NetworkService, counters: CounterService, streams: OpenStreams
) -> list[grpc.GenericRpcHandler]:
    generic = []
    for service in (NETWORK_MANAGER, INSPECTION):
        methods: dict[str, grpc.RpcMethodHandler[object, Message]] = {}
        for call in calls(service).values():
            answer = getattr(networks, call.name, None) or getattr(counters, call.name)
            if call.client_streams:
                methods[call.name] = grpc.stream_unary_rpc_method_handler(
                    _answering(call, _parsing(call, answer), manager), None, call.response.SerializeToString
                )
            else:
                methods[call.name] = grpc.unary_unary_rpc_method_handler(
                    _answering(call, answer, manager), call.request.FromString, call.response.SerializeToString
                )
        generic.append(grpc.method_handlers_generic_handler(service.full_name, methods))

    def session(
        requests: Iterator[nmgr_pb2.session_monitor_request], context: grpc.ServicerContext
    ) -> Iterator[Message]:
        streams.add(context)
        with contextlib.suppress(grpc.RpcError):
            yield from monitor_session(manager, requests, context)

    def infer_stream(requests: Iterator[nmgr_pb2.infer_request], context: grpc.ServicerContext) -> Iterator[Message]:
        streams.add(context)
        stream = InferenceStream(manager, requests)
        context.add_callback(stream.close)
        yield from stream.responses()

    answers: dict[str, Callable[..., Iterator[Message]]] = {"session_monitor": session, "infer_stream": infer_stream}
    for service in SERVICES:
        methods = {
            call.name: grpc.stream_stream_rpc_method_handler(
                _parsing_stream(call, answers[call.name]), None, call.response.SerializeToString
            )
            for call in calls(service).values()
            if call.server_streams
        }
        if methods:
            generic.append(grpc.method_handlers_generic_handler(service.full_name, methods))
    return generic


class Server:
    """Listens at one address."""

    def __init__(
        self,
        address: str,
        manager: Manager,
        networks: NetworkService,
        counters: CounterService,
        access: Access | None = None,
    ) -> None:
        """Bind the address; calls are served after :meth:`start`.

        Raises:
            RtdError: the address is in use or cannot be used.
        """
        self.address = address
        self._access = access or Access()
        self._health = health.HealthServicer()
        self._server = grpc.server(
            ThreadPoolExecutor(MAX_CALLS, "rtd"),
            options=_OPTIONS,
            maximum_concurrent_rpcs=MAX_CALLS,
            interceptors=[] if self._access.gate is None else [self._access.gate],
        )
        self._streams = OpenStreams()
        self._server.add_generic_rpc_handlers(tuple(_handlers(manager, networks, counters, self._streams)))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = [service.full_name for service in SERVICES]
        reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server)
        self._socket = Path(address.removeprefix("unix:")) if address.startswith("unix:") else None
        self.port = self._listen()
        for name in ("", *names):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    def _listen(self) -> int:
        if self._socket is not None:
            _clear_stale(self._socket)
        # The socket must never be open to others, not even between its creation and a chmod.
        before = os.umask(0o117)
        try:
            if self._access.credentials is None:
                port = self._server.add_insecure_port(self.address)
            else:
                port = self._server.add_secure_port(self.address, self._access.credentials)
        except RuntimeError:
            port = 0
        finally:
            os.umask(before)
        if not port:
            raise RtdError(
                Nerr.FAIL, f"cannot listen on {self.address}: it is in use, or not allowed", mend=_OTHER_ADDRESS
            )
        if self._socket is not None:
            self._socket.chmod(0o660)
        return port

    def start(self) -> None:
        """Start serving calls."""
        self._server.start()

    def refuse(self, grace_seconds: float) -> threading.Event:
        """Refuse new calls and give running ones time to end. Returns an event that is set when all have ended."""
        self._health.enter_graceful_shutdown()
        ended: threading.Event = self._server.stop(grace_seconds)
        return ended

    def end_streams(self) -> None:
        """End the sessions and the inference streams that are open."""
        self._streams.cancel()

    def close(self) -> None:
        """End all remaining calls and release the address."""
        self._server.stop(None).wait()
        if self._socket is not None:
            self._socket.unlink(missing_ok=True)


def _clear_stale(path: Path) -> None:
    """Remove the socket of a daemon that was killed.

    Raises:
        RtdError: a running daemon listens there, or the path is not a socket.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise RtdError(Nerr.FAIL, f"cannot listen on {path}: directory {path.parent} not found") from None
        return
    except OSError as error:
        raise RtdError(Nerr.FAIL, f"cannot listen on {path}: {error.strerror}", mend=_OTHER_ADDRESS) from None
    if not stat.S_ISSOCK(mode):
        raise RtdError(Nerr.FAIL, f"cannot listen on {path}: it exists and is not a socket", mend=_OTHER_ADDRESS)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise RtdError(Nerr.FAIL, f"cannot listen on {path}: {error.strerror}", mend=_OTHER_ADDRESS) from None
    raise RtdError(Nerr.FAIL, f"another process listens on {path}", mend=f"stop it, or {_OTHER_ADDRESS}")
