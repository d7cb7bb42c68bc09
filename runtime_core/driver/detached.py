"""Replace the map of a truncated file by private memory."""

from __future__ import annotations

import ctypes
import mmap
import os
import threading

_MREMAP_MAYMOVE_FIXED = 1 | 2
_FAILED = ctypes.c_void_p(-1).value
_guard = threading.Lock()


def detach(mapped: mmap.mmap, fd: int, head: bytes) -> None:
    """Replace a shared, writable map by private memory at the same address, at once for all threads.

    Structures and views of the map stay valid, but their changes are no longer written to the file.

    Args:
        mapped: the map.
        fd: the file, whose remaining content is copied.
        head: first bytes of the file, used if they are lost.

    Raises:
        MemoryError: the system has not enough memory.
    """
    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = library.mremap.restype = ctypes.c_void_p
    library.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    library.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p]
    size = len(mapped)
    place = ctypes.addressof(ctypes.c_char.from_buffer(mapped))
    kept = os.pread(fd, size, 0)
    kept += head[len(kept) :]
    with _guard:
        made = library.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        if made is None or made == _FAILED:
            raise MemoryError("no memory in place of the node's datastore")
        ctypes.memmove(made, kept, len(kept))
        if library.mremap(made, size, size, _MREMAP_MAYMOVE_FIXED, place) == _FAILED:
            raise MemoryError("no memory in place of the node's datastore")
