"""State of the library in the process: the runtime, its handles, and memory lent to the host program."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from runtime_core import nrt
from runtime_core.libnrt import abi
from runtime_core.libnrt.abi import CData
from runtime_core.libnrt.handles import HandleTable
from runtime_core.libnrt.refusal import CallError
from runtime_core.nrt import Runtime, Tensor
from runtime_core.nrt.log import LogLevel, emit
from runtime_core.status import NrtError, NrtStatus

handles = HandleTable()
"""Handles of the runtime: models, tensors, sets and their parts. nrt_close ends them."""

options = HandleTable()
"""Handles of configurations, which exist only in host memory and are valid before nrt_init and after nrt_close."""

lifecycle = threading.RLock()
"""Held while the runtime is initialized or closed. Other calls must not wait for it, because closing waits for them."""

guard = threading.RLock()
"""Held briefly while traces, profiles and similar activities start or stop."""

_CLOSE_POLL_SECONDS = 0.0005

_PREFIXES = ("NEURON", "AWS_NEURON", "XDG_RUNTIME_DIR")

_is_closing = False
_lent: dict[int, object] = {}
_closing: list[Callable[[], None]] = []
_forgetting: list[Callable[[], None]] = []


def runtime() -> Runtime:
    """Return the live runtime.

    Raises:
        NrtError: UNINITIALIZED before nrt_init, CLOSED after nrt_close.
    """
    if _is_closing:
        raise CallError(NrtStatus.CLOSED, "the runtime is closing")
    return nrt.current()


def tensor(handle: int) -> Tensor:
    """Return the tensor of a handle; requires a live runtime.

    Raises:
        NrtError: INVALID_HANDLE, UNINITIALIZED or CLOSED.
    """
    runtime()
    return handles.find(handle, Tensor)


def core_index(core: int) -> int:
    """Return the process's index of a global core that it owns."""
    return runtime().cores.index(core)


def check_core(vnc: int) -> int:
    """Check an index into the process's cores, and return it.

    Raises:
        NrtError: INVALID if the process owns no such core.
    """
    owned = len(runtime().cores)
    if not 0 <= vnc < owned:
        raise CallError(NrtStatus.INVALID, f"core {vnc}: the process owns 0 to {owned - 1}")
    return vnc


def read_environment() -> None:
    """Update ``os.environ``, because the host program may have called setenv since Python started."""
    entries = abi.environ[0]
    now: dict[str, str] = {}
    at = 0
    while entries and entries[at]:
        name, _, value = os.fsdecode(abi.ffi.string(entries[at])).partition("=")
        if name.startswith(_PREFIXES):
            now[name] = value
        at += 1
    for name in [name for name in os.environ if name.startswith(_PREFIXES) and name not in now]:
        del os.environ[name]
    for name, value in now.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def lend(value: CData) -> CData:
    """Keep memory to which the host program has a pointer, until :func:`give_back`."""
    _lent[abi.address(value)] = value
    return value


def keep(owner: CData, *parts: object) -> CData:
    """Keep memory like :func:`lend`; it contains pointers into ``parts``."""
    _lent[abi.address(owner)] = (owner, parts)
    return owner


def give_back(pointer: CData) -> None:
    """Free lent memory.

    Raises:
        NrtError: INVALID_HANDLE if the pointer was not lent, or was returned before.
    """
    if _lent.pop(abi.address(pointer), None) is None:
        raise CallError(NrtStatus.INVALID_HANDLE, "the pointer did not come from this library, or was freed before")


def at_close(action: Callable[[], None]) -> None:
    """Register ``action`` to run before the runtime closes."""
    _closing.append(action)


def at_fork(action: Callable[[], None]) -> None:
    """Register ``action`` to run in a forked child, which has none of its parent's threads."""
    _forgetting.append(action)


def close() -> None:
    """Close everything: background activities, calls in progress, the runtime and its handles.

    Calls that started earlier complete normally. Calls that start meanwhile wait, and return CLOSED.
    """
    global _is_closing
    with lifecycle:
        _is_closing = True
        abi.c.libnrt_set_closing(1)
        try:
            for action in _closing:
                try:
                    action()
                except NrtError as error:
                    emit(LogLevel.ERROR, "nrt_close", str(error))
            while abi.c.libnrt_inside():
                time.sleep(_CLOSE_POLL_SECONDS)
            nrt.close()
            handles.clear()
        finally:
            _is_closing = False
            abi.c.libnrt_set_closing(0)


def is_closing() -> bool:
    """Return whether a waiting call should give up."""
    return _is_closing


def _in_child() -> None:
    global guard, lifecycle, _is_closing
    guard, lifecycle = threading.RLock(), threading.RLock()
    _is_closing = False
    handles.clear()
    for action in _forgetting:
        action()


os.register_at_fork(after_in_child=_in_child)
