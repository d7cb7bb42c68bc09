"""Tensors sent between logical NeuronCores; both ends must be in this process."""

from __future__ import annotations

import ipaddress
import threading
from collections import deque

from runtime_core.libnrt import session
from runtime_core.libnrt.abi import OK, CData, require, text
from runtime_core.libnrt.refusal import CallError
from runtime_core.libnrt.registry import status_call
from runtime_core.nrt import Tensor
from runtime_core.status import NrtStatus

MAX_COMMUNICATORS = 16
MAX_PENDING = 128
"""Limit per core; the limits of the original are not published."""

_guard = threading.Lock()


class TransferRequest:
    """A part of a tensor to send or receive."""

    def __init__(self, tensor: Tensor, offset_bytes: int, size_bytes: int) -> None:
        """Not done."""
        self.tensor, self.offset_bytes, self.size_bytes = tensor, offset_bytes, size_bytes
        self.done = False
        self.moved_bytes = 0


class Communicator:
    """One end of a connection between two cores."""

    def __init__(self, core: int, peer: int, *, sends: bool) -> None:
        """Create an end that is not connected yet."""
        self.core, self.peer, self.sends = core, peer, sends
        self.other: Communicator | None = None
        self.pending: deque[TransferRequest] = deque()


_ends: dict[int, list[Communicator]] = {}
"""Ends by core; a core in the mapping is initialized."""


@status_call
def nrt_async_sendrecv_get_max_num_communicators_per_lnc(max_num_communicators: CData) -> int:
    session.runtime()
    require(max_num_communicators, "max_num_communicators")
    max_num_communicators[0] = MAX_COMMUNICATORS
    return OK


@status_call
def nrt_async_sendrecv_get_max_num_pending_request(max_num_pending_request: CData) -> int:
    session.runtime()
    require(max_num_pending_request, "max_num_pending_request")
    max_num_pending_request[0] = MAX_PENDING
    return OK


@status_call
def nrt_async_sendrecv_init(lnc: int) -> int:
    if lnc not in session.runtime().cores:
        raise CallError(NrtStatus.INVALID, f"core {lnc} of the node is not owned by this process")
    with _guard:
        _ends.setdefault(lnc, [])
    return OK


@status_call
def nrt_async_sendrecv_close(lnc: int) -> int:
    session.runtime()
    with _guard:
        for end in _of_core(lnc):
            if end.other is not None:
                end.other.other = None
            end.other = None
        del _ends[lnc]
    return OK


def _of_core(lnc: int) -> list[Communicator]:
    found = _ends.get(lnc)
    if found is None:
        raise CallError(NrtStatus.INVALID, f"core {lnc}", mend="call nrt_async_sendrecv_init first")
    return found


def _open(peer_ip: CData, peer_lnc: int, lnc: int, comm: CData, *, sends: bool) -> int:
    session.runtime()
    require(comm, "comm")
    name = text(peer_ip, "peer_ip")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        raise CallError(NrtStatus.INVALID, f"{name!r} is not an IP address") from None
    if not address.is_loopback or peer_lnc not in session.runtime().cores:
        raise CallError(
            NrtStatus.FAILURE,
            f"{name}, core {peer_lnc}: only cores of this process can be reached, by a loopback address",
        )
    with _guard:
        ends = _of_core(lnc)
        if len(ends) >= MAX_COMMUNICATORS:
            raise CallError(NrtStatus.RESOURCE, f"core {lnc} has {MAX_COMMUNICATORS} communicators")
        made = Communicator(lnc, peer_lnc, sends=sends)
        for other in _ends.get(peer_lnc, []):
            if other.other is None and (other.core, other.peer, other.sends) == (peer_lnc, lnc, not sends):
                made.other, other.other = other, made
                break
        ends.append(made)
    comm[0] = session.handles.add(made)
    return OK


@status_call
def nrt_async_sendrecv_connect(peer_ip: CData, peer_lnc: int, lnc: int, send_comm: CData) -> int:
    return _open(peer_ip, peer_lnc, lnc, send_comm, sends=True)


@status_call
def nrt_async_sendrecv_accept(peer_ip: CData, peer_lnc: int, lnc: int, recv_comm: CData) -> int:
    return _open(peer_ip, peer_lnc, lnc, recv_comm, sends=False)


@status_call
def nrt_async_sendrecv_test_comm(comm: int, done: CData) -> int:
    session.runtime()
    found = session.handles.find(comm, Communicator)
    require(done, "done")
    done[0] = found.other is not None
    return OK


def _transfer(tensor: int, offset: int, length: int, comm: int, request: CData, *, sends: bool) -> int:
    found = session.tensor(tensor)
    end = session.handles.find(comm, Communicator)
    require(request, "request")
    if end.sends is not sends:
        raise CallError(NrtStatus.INVALID, "the communicator has the opposite direction")
    found.view(offset, length)
    made = TransferRequest(found, offset, length)
    with _guard:
        if end.other is None:
            raise CallError(NrtStatus.INVALID, "the communicator is not connected: call nrt_async_sendrecv_test_comm")
        if len(end.pending) >= MAX_PENDING:
            raise CallError(NrtStatus.RESOURCE, f"{MAX_PENDING} requests are pending")
        end.pending.append(made)
        sender, receiver = (end, end.other) if sends else (end.other, end)
        while sender.pending and receiver.pending:
            _move(sender.pending.popleft(), receiver.pending.popleft())
    request[0] = session.handles.add(made)
    return OK


def _move(source: TransferRequest, target: TransferRequest) -> None:
    """Copy the data; what exceeds the size of the receiver is truncated."""
    size = min(source.size_bytes, target.size_bytes)
    target.tensor.view(target.offset_bytes, size)[:] = source.tensor.view(source.offset_bytes, size)
    source.moved_bytes = target.moved_bytes = size
    source.done = target.done = True


@status_call
def nrt_async_sendrecv_send_tensor(tensor: int, offset: int, length: int, send_comm: int, request: CData) -> int:
    return _transfer(tensor, offset, length, send_comm, request, sends=True)


@status_call
def nrt_async_sendrecv_recv_tensor(tensor: int, offset: int, length: int, recv_comm: int, request: CData) -> int:
    return _transfer(tensor, offset, length, recv_comm, request, sends=False)


@status_call
def nrt_async_sendrecv_test_request(request: int, done: CData, size: CData) -> int:
    session.runtime()
    found = session.handles.find(request, TransferRequest)
    require(done, "done")
    done[0] = found.done
    if size:
        size[0] = found.moved_bytes
    if found.done:
        # A finished request is freed by the call that reports it.
        session.handles.take(request, TransferRequest)
    return OK


@status_call
def nrt_async_sendrecv_flush(lnc: int) -> int:
    session.runtime()
    with _guard:
        _of_core(lnc)
    # If both sides had made their requests, the data has been transferred already.
    return OK


def _forget() -> None:
    global _guard
    _guard = threading.Lock()
    _ends.clear()


session.at_close(_ends.clear)
session.at_fork(_forget)
