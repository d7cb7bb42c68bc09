"""Access of the calls to the C side: the cffi module of the library, strings, buffers and results."""

from __future__ import annotations

import sys
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
"""NRT_SUCCESS, returned by successful calls with a status."""

_MAX_TEXT_BYTES = 4096

ffi: Any
"""The ``ffi`` object of the compiled module (see cffi's reference); set when the library is attached."""

environ: CData
"""The host program's ``char **environ``, as a pointer to the variable."""

c: Any
"""The functions of ``start.h`` that Python may call."""


def set_module(module_ffi: object, lib: Any) -> None:  # noqa: ANN401 - made by cffi
    """Set the compiled module's ``ffi`` and its C variables and functions."""
    global ffi, environ, c
    ffi = module_ffi
    environ = ffi.addressof(lib, "environ")
    c = lib


def require(pointer: CData, name: str) -> None:
    """Check that a pointer is not NULL.

    Raises:
        NrtError: INVALID, with the name of the argument.
    """
    if not pointer:
        raise CallError(NrtStatus.INVALID, f"{name} is NULL")


def text(pointer: CData, name: str) -> str:
    """Return a C string of at most 4096 bytes.

    Raises:
        NrtError: INVALID if the pointer is NULL.
    """
    require(pointer, name)
    found: bytes = ffi.string(pointer, _MAX_TEXT_BYTES)
    return found.decode("utf-8", "surrogateescape")


def optional_text(pointer: CData) -> str:
    """Return a C string, or ``""`` if the pointer is NULL."""
    return text(pointer, "") if pointer else ""


def memory(pointer: CData, size_bytes: int, name: str) -> memoryview:
    """Return the host program's bytes at ``pointer``, writable.

    Raises:
        NrtError: INVALID if the pointer is NULL, or the size is larger than an object of a process can be.
    """
    require(pointer, name)
    if size_bytes > sys.maxsize:
        raise CallError(NrtStatus.INVALID, f"{name} cannot have {size_bytes} bytes")
    return memoryview(ffi.buffer(pointer, size_bytes)).cast("B")


def address(pointer: CData) -> int:
    """Return the address in a pointer."""
    return int(ffi.cast("uintptr_t", pointer))


def fill(pointer: CData, value: CData, size_bytes: int) -> int:
    """Copy the structure that ``value`` points to, up to the size of the caller's buffer; return the bytes copied."""
    written: int = min(size_bytes, ffi.sizeof(ffi.typeof(value).item))
    ffi.memmove(pointer, value, written)
    return written
