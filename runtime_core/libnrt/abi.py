"""What the calls share of the C side: the cffi module of the library, strings, buffers, and results."""

from __future__ import annotations

from typing import Any, Protocol

from runtime_core.libnrt.refusal import CallError
from runtime_core.status import NrtStatus


class CData(Protocol):
    """A pointer, array or structure of C; its elements and fields have the types of the headers."""

    def __getattr__(self, name: str) -> Any: ...  # noqa: ANN401
    def __setattr__(self, name: str, value: object) -> None: ...
    def __getitem__(self, index: int) -> Any: ...  # noqa: ANN401
    def __setitem__(self, index: int, value: object) -> None: ...
    def __bool__(self) -> bool: ...


OK = 0
"""NRT_SUCCESS, what a call that returns a status ends with."""

_MAX_TEXT_BYTES = 4096

ffi: Any
"""The compiled module's ``ffi`` object (see cffi's reference); set when the library is attached."""

environ: CData
"""The host program's ``char **environ``, through a pointer to the variable."""

c: Any
"""The functions of ``start.h`` that are for Python."""


def set_module(module_ffi: object, lib: Any) -> None:  # noqa: ANN401 - made by cffi
    """Keep the compiled module's ``ffi``, and what it has of C."""
    global ffi, environ, c
    ffi = module_ffi
    environ = ffi.addressof(lib, "environ")
    c = lib


def require(pointer: CData, name: str) -> None:
    """Refuse a NULL.

    Raises:
        NrtError: INVALID, naming the argument.
    """
    if not pointer:
        raise CallError(NrtStatus.INVALID, f"{name} is NULL")


def text(pointer: CData, name: str) -> str:
    """A C string of at most 4096 bytes.

    Raises:
        NrtError: INVALID for a NULL.
    """
    require(pointer, name)
    found: bytes = ffi.string(pointer, _MAX_TEXT_BYTES)
    return found.decode("utf-8", "surrogateescape")


def optional_text(pointer: CData) -> str:
    """A C string, ``""`` for a NULL."""
    return text(pointer, "") if pointer else ""


def memory(pointer: CData, size_bytes: int, name: str) -> memoryview:
    """The host program's bytes at ``pointer``, writable.

    Raises:
        NrtError: INVALID for a NULL.
    """
    require(pointer, name)
    return memoryview(ffi.buffer(pointer, size_bytes)).cast("B")


def address(pointer: CData) -> int:
    """The number behind a pointer."""
    return int(ffi.cast("uintptr_t", pointer))


def fill(pointer: CData, value: CData, size_bytes: int) -> int:
    """Copy as much of the structure that ``value`` points to as the caller has room for; returns how much that is."""
    written: int = min(size_bytes, ffi.sizeof(ffi.typeof(value).item))
    ffi.memmove(pointer, value, written)
    return written
