"""The client's connection: calls by name, sessions, and errors with a remedy."""

from __future__ import annotations

import contextlib
import functools
import os
import queue
from collections.abc import Callable, Iterator
from typing import Self, TypeVar

import grpc
from google.protobuf.message import Message

from runtime_core import __version__
from runtime_core.rtd.config import ADDRESS_VARIABLE, DEFAULT_ADDRESS, check_address
from runtime_core.rtd.credentials import TOKEN_VARIABLE, Credentials
from runtime_core.rtd.proto import common_pb2, nmgr_pb2
from runtime_core.rtd.status import RtdError
from runtime_core.rtd.wire import SERVICES, Call, calls
from runtime_core.status import Nerr

CONNECT_SECONDS = 10.0

_CALLS = {call.name: call for service in SERVICES for call in calls(service).values()}
_Answer = TypeVar("_Answer", bound=Message)


class ConnectionLostError(RtdError):
    """The daemon cannot be reached, or stopped during the call."""

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        """The call returned no status, so the code is FAIL."""
        super().__init__(Nerr.FAIL, what, where=where, mend=mend)


def chosen_address(address: str | None) -> str:
    """``address``, else ``$NEURON_RTD_ADDRESS``, else the default.

    Raises:
        UsageError: it is malformed.
    """
    return check_address(address or os.environ.get(ADDRESS_VARIABLE) or DEFAULT_ADDRESS)


def _code(number: int) -> Nerr:
    return Nerr(number) if number in Nerr.__members__.values() else Nerr.FAIL


def check(status: common_pb2.status) -> None:
    """Raise an error if the status of a response is not OK.

    Raises:
        RtdError: it is not OK.
    """
    if status.code != Nerr.OK.value:
        code = _code(status.code)
        text = status.details.decode("utf-8", "replace") or code.name
        raise RtdError(code, f"{text} (NERR_{code.name})")


class Connection:
    """A connection to one daemon: calls by name, and sessions. Threads may share it."""

    def __init__(self, address: str | None = None, credentials: Credentials | None = None) -> None:
        """Connect when the first call is made.

        Args:
            address: see :func:`chosen_address`.
            credentials: for TCP, default: those of the environment.

        Raises:
            UsageError: the address is malformed, or the credentials cannot be used.
        """
        self.address = chosen_address(address)
        self._channel, self._metadata = (credentials or Credentials.from_environment()).channel(self.address)
        self.stubs: dict[str, Callable[..., object]] = {}
        for call in _CALLS.values():
            self.stubs[call.name] = self._stub(call)

    def _stub(self, call: Call) -> Callable[..., object]:
        makers: dict[tuple[bool, bool], Callable[..., Callable[..., object]]] = {
            (False, False): self._channel.unary_unary,
            (True, False): self._channel.stream_unary,
            (True, True): self._channel.stream_stream,
        }
        make = makers[call.client_streams, call.server_streams]
        stub = make(call.path, call.request.SerializeToString, call.response.FromString)
        return functools.partial(stub, metadata=self._metadata) if self._metadata else stub

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; its sessions end."""
        self._channel.close()

    def call(self, name: str, request: Message | Iterator[Message], answer: type[_Answer]) -> _Answer:
        """Make a call by its name, without checking the status of the response.

        Raises:
            ConnectionLostError: the daemon cannot be reached.
            RtdError: the call itself was refused.
        """
        try:
            made = self.stubs[name](request)
        except grpc.RpcError as error:
            raise self.unreachable(error) from None
        if not isinstance(made, answer):
            raise TypeError(f"{name} returned {type(made).__name__}")
        return made

    def unreachable(self, error: grpc.RpcError) -> RtdError:
        """Convert gRPC's error for a call without a response."""
        code = error.code() if isinstance(error, grpc.Call) else grpc.StatusCode.UNKNOWN
        if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
            return ConnectionLostError(
                f"neuron-rtd does not respond at {self.address}",
                mend=f"start it, or set {ADDRESS_VARIABLE} to its address",
            )
        if code is grpc.StatusCode.UNAUTHENTICATED:
            return RtdError(
                Nerr.FAIL, f"neuron-rtd at {self.address} requires a valid token", mend=f"set {TOKEN_VARIABLE}"
            )
        details = error.details() if isinstance(error, grpc.Call) else str(error)
        return RtdError(Nerr.FAIL, f"neuron-rtd at {self.address}: {code.name}: {details}")

    def wait_until_ready(self, seconds: float = CONNECT_SECONDS) -> None:
        """Wait until the daemon accepts connections.

        Raises:
            ConnectionLostError: it does not in time.
        """
        try:
            grpc.channel_ready_future(self._channel).result(seconds)
        except grpc.FutureTimeoutError:
            raise ConnectionLostError(f"neuron-rtd does not respond at {self.address} within {seconds:g} s") from None

    # Sessions

    @contextlib.contextmanager
    def session(self) -> Iterator[int]:
        """Open a session and yield its id; what is created under it is freed when the block or this process ends."""
        requests: queue.SimpleQueue[nmgr_pb2.session_monitor_request | None] = queue.SimpleQueue()
        version = common_pb2.version(full_version=__version__)
        requests.put(nmgr_pb2.session_monitor_request(framework_name="neuron-tools-sim", fal_version=version))
        stream = self.stubs["session_monitor"](iter(requests.get, None))
        if not isinstance(stream, grpc.RpcContext) or not isinstance(stream, Iterator):
            raise TypeError("session_monitor is not a stream")
        try:
            first = next(stream)
        except grpc.RpcError as error:
            requests.put(None)
            raise self.unreachable(error) from None
        if not isinstance(first, nmgr_pb2.session_monitor_response):
            raise TypeError("session_monitor returned another message type")
        try:
            yield first.session_id
        finally:
            requests.put(None)
            # The daemon closes its side after it has freed everything.
            with contextlib.suppress(grpc.RpcError):
                for _ in stream:
                    pass
