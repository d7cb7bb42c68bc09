"""What the library keeps for the process: the runtime, its handles, and memory that it lent to the host program."""

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
"""Of the runtime: models, tensors, sets and what belongs to them. They end with nrt_close."""

options = HandleTable()
"""Configurations and such, which are only memory of the host: legal before nrt_init and after nrt_close."""

lifecycle = threading.RLock()
"""Held while the runtime is initialized or closed. No other call may wait for it: closing waits for all others."""

guard = threading.RLock()
"""Held for a moment, while traces, profiles and the like begin or end."""

_CLOSE_POLL_SECONDS = 0.0005

_PREFIXES = ("NEURON", "AWS_NEURON", "XDG_RUNTIME_DIR")

_is_closing = False
_lent: dict[int, object] = {}
_closing: list[Callable[[], None]] = []
_forgetting: list[Callable[[], None]] = []


def runtime() -> Runtime:
    """The live runtime.

    Raises:
        NrtError: UNINITIALIZED before nrt_init, CLOSED after nrt_close.
    """
    if _is_closing:
        raise CallError(NrtStatus.CLOSED, "the runtime is closing")
    return nrt.current()


def tensor(handle: int) -> Tensor:
    """The tensor of a handle; the runtime is live.

    Raises:
        NrtError: INVALID_HANDLE, UNINITIALIZED or CLOSED.
    """
    runtime()
    return handles.find(handle, Tensor)


def core_index(core: int) -> int:
    """The process's index of a global core that it owns."""
    return runtime().cores.index(core)


def check_core(vnc: int) -> int:
    """An index into the process's cores.

    Raises:
        NrtError: INVALID when it owns no such core.
    """
    owned = len(runtime().cores)
    if not 0 <= vnc < owned:
        raise CallError(NrtStatus.INVALID, f"core {vnc}: the process owns 0 to {owned - 1}")
    return vnc


def read_environment() -> None:
    """Bring ``os.environ`` up to date: the host program may have called setenv since Python started."""
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
    """Keep memory that the host program holds a pointer to, until :func:`give_back`."""
    _lent[abi.address(value)] = value
    return value


def keep(owner: CData, *parts: object) -> CData:
    """As :func:`lend`, of memory that points into ``parts``."""
    _lent[abi.address(owner)] = (owner, parts)
    return owner


def give_back(pointer: CData) -> None:
    """Free lent memory.

    Raises:
        NrtError: INVALID_HANDLE when the pointer is none that was lent, or was given back before.
    """
    if _lent.pop(abi.address(pointer), None) is None:
        raise CallError(NrtStatus.INVALID_HANDLE, "the pointer is none that the library gave out, or was freed before")


def at_close(action: Callable[[], None]) -> None:
    """Run ``action`` before the runtime closes."""
    _closing.append(action)


def at_fork(action: Callable[[], None]) -> None:
    """Run ``action`` in a forked child, which has none of its parent's threads."""
    _forgetting.append(action)


def close() -> None:
    """End everything: what runs in the background, the calls that are under way, the runtime, its handles.

    Calls that came before end as they would, with their results. Those that come meanwhile wait, and return CLOSED.
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
    """Whether a call that waits should give up."""
    return _is_closing


def _in_child() -> None:
    global guard, lifecycle, _is_closing
    guard, lifecycle = threading.RLock(), threading.RLock()
    _is_closing = False
    handles.clear()
    for action in _forgetting:
        action()


os.register_at_fork(after_in_child=_in_child)
