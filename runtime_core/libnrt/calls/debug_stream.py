"""Debug streams. They connect but stay empty, because models of the simulator emit no debug tensors."""

from __future__ import annotations

import os
import threading

from runtime_core.libnrt import session
from runtime_core.libnrt.abi import OK, CData, require
from runtime_core.libnrt.refusal import CallError
from runtime_core.libnrt.registry import plain_call, status_call
from runtime_core.status import NrtStatus

_guard = threading.Lock()
_core_of_stream: dict[int, int] = {}


@status_call
def nrt_debug_client_connect(logical_nc: int, stream_fd: CData) -> int:
    session.check_core(logical_nc)
    require(stream_fd, "stream_fd")
    with _guard:
        if logical_nc in _core_of_stream.values():
            raise CallError(
                NrtStatus.INVALID, f"core {logical_nc} already has a debug client: only one per core is allowed"
            )
        try:
            # Never written, so poll(2) reports no event.
            handle = os.eventfd(0, os.EFD_CLOEXEC)
        except OSError as error:
            raise CallError(NrtStatus.RESOURCE, f"no event descriptor: {error.strerror}") from error
        _core_of_stream[handle] = logical_nc
    stream_fd[0] = handle
    return OK


@plain_call
def nrt_debug_client_connect_close(stream_fd: int) -> None:
    with _guard:
        if _core_of_stream.pop(stream_fd, None) is not None:
            os.close(stream_fd)


@status_call
def nrt_debug_client_read_one_event(stream_fd: int, header: CData, payload: CData) -> int:
    session.runtime()
    require(header, "header")
    require(payload, "payload")
    if stream_fd not in _core_of_stream:
        raise CallError(NrtStatus.INVALID, f"descriptor {stream_fd} is not a debug stream")
    return NrtStatus.QUEUE_EMPTY


def _close_all() -> None:
    for handle in list(_core_of_stream):
        nrt_debug_client_connect_close(handle)


def _forget() -> None:
    global _guard
    _guard = threading.Lock()
    _close_all()


session.at_close(_close_all)
session.at_fork(_forget)
