"""Bind the exported functions to Python functions, and convert their exceptions to statuses and log lines."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, TracebackType

from runtime_core.errors import NeuronError
from runtime_core.libnrt import abi
from runtime_core.libnrt.calls import (  # noqa: F401 - they register themselves
    absent,
    asynchronous,
    collectives,
    debug_stream,
    execution,
    inspect,
    lifecycle,
    models,
    profiling,
    sendrecv,
    sys_trace,
    tensors,
)
from runtime_core.libnrt.declarations import STATUS, read_declarations
from runtime_core.libnrt.events import EVENT_TYPES, recorded
from runtime_core.libnrt.generate import READY, python_functions
from runtime_core.libnrt.refusal import CallError
from runtime_core.libnrt.registry import PLAIN_CALLS, STATUS_CALLS
from runtime_core.nrt.log import LogLevel, emit
from runtime_core.status import NrtError, NrtStatus

_LOGGED_BELOW = {"nrt_init", "nrt_load", "nrt_load_collectives", "nrt_execute", "nrt_execute_repeat"}
"""Calls whose errors the runtime logs itself."""

OnError = Callable[[type[BaseException], BaseException, TracebackType | None], int | None]


def attach(module: ModuleType) -> None:
    """Bind every function to the compiled module of the library."""
    abi.set_module(module.ffi, module.lib)
    for function in python_functions(read_declarations()):
        name = function.name
        if function.result == STATUS:
            target, error = STATUS_CALLS[name], _status_of(name)
        else:
            target, error = PLAIN_CALLS[name], _zero_of(name, void=function.result == "void")
        if name in EVENT_TYPES:
            target = recorded(name, target, status_of)
        failure = None if function.result == "void" else 0
        module.ffi.def_extern(name=f"py_{name}", error=failure, onerror=error)(target)
    module.ffi.def_extern(name=READY)(lambda: 1)


def status_of(error: BaseException) -> NrtStatus:
    """Return the status of a call that raised ``error``."""
    if isinstance(error, NrtError):
        return error.status
    return NrtStatus.RESOURCE if isinstance(error, MemoryError) else NrtStatus.FAILURE


def _log(function: str, error: BaseException) -> NrtStatus:
    status = status_of(error)
    told = function in _LOGGED_BELOW and isinstance(error, NrtError) and not isinstance(error, CallError)
    if not told:
        what = str(error) if isinstance(error, NeuronError) else f"{type(error).__name__}: {error}"
        emit(LogLevel.ERROR, function, f"{' '.join(what.split())} (status {status.value})")
    return status


def _status_of(function: str) -> OnError:
    def failed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> int:
        return int(_log(function, error))

    return failed


def _zero_of(function: str, *, void: bool) -> OnError:
    def failed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> int | None:
        _log(function, error)
        return None if void else 0

    return failed
