"""Shared memory of clients, for IFMAPs and OFMAPs.

The bytes are copied with ``preadv`` and ``pwritev`` and not mapped. With a map, a client that truncates its file could
crash the daemon with a bus error, and a client that continues to write could change an input in use.
"""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runtime_core.rtd.status import RtdError
from runtime_core.status import Nerr

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDER = Path("/dev/shm")  # noqa: S108 - where POSIX shared memory is
PROT_READ = 1
PROT_WRITE = 2
_MAX_NAME_BYTES = 255
_MAX_MAPPINGS = 1024


class _Mapping(NamedTuple):
    descriptor: int
    protection: int
    session_id: int
    size_bytes: int | None


def object_name(path: str) -> str:
    """Return the file name of a shared memory object (``/name`` or ``name``, as for shm_open).

    Raises:
        RtdError: INVALID, when it is not a name or leads out of the folder.
    """
    name = path.removeprefix(f"{FOLDER}/").removeprefix("/")
    if not name or name in (".", "..") or "/" in name or "\0" in name or len(name.encode()) > _MAX_NAME_BYTES:
        raise RtdError(Nerr.INVALID, f"shared memory {path[:80]!r}: expected the name of an object in {FOLDER}")
    return name


def _check_rights(found: os.stat_result, path: str, protection: int) -> None:
    """Refuse an object that a client might not be able to open, because the daemon may have more permissions.

    gRPC does not report a client's user, so one rule applies to all clients: the object must belong to the daemon's
    user, or its mode must give access to the daemon's group (whose members can use the socket) or to all users.
    """
    wanted = 4 * bool(protection & PROT_READ) | 2 * bool(protection & PROT_WRITE)
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid == os.geteuid() or mode & wanted == wanted:
        return
    if found.st_gid == os.getegid() and mode >> 3 & wanted == wanted:
        return
    raise RtdError(
        Nerr.INVALID,
        f"shared memory {path!r} belongs to user {found.st_uid}, and neuron-rtd runs as user {os.geteuid()}",
        mend=f"run both as one user, or give the object group {os.getegid()} and mode 0660",
    )


class SharedMemory:
    """The shared memory objects that clients have mapped."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Start without mappings."""
        self._folder = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._mappings: dict[tuple[str, int], _Mapping] = {}
        # Held while a descriptor is in use, so that it is not closed (and its number reused) meanwhile.
        self._lock = threading.RLock()

    def map(self, path: str, protection: int, session_id: int, size_bytes: int | None = None) -> None:
        """Map an object.

        Args:
            path: name of the object.
            protection: PROT_READ for IFMAPs, PROT_WRITE for OFMAPs, or both.
            session_id: the session whose end unmaps it; 0: none.
            size_bytes: the part of it that may be used; ``None``: all of it.

        Raises:
            RtdError: INVALID for a bad name or protection, for an object that is missing, is not a regular file, is
                smaller than ``size_bytes``, is not for all clients, or is already mapped; RESOURCE when too many are
                mapped.
        """
        name = object_name(path)
        if protection not in (PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE):
            raise RtdError(Nerr.INVALID, f"shared memory {path!r}: protection {protection}, expected 1, 2 or 3")
        with self._lock:
            if (name, protection) in self._mappings:
                raise RtdError(Nerr.INVALID, f"shared memory {path!r} is already mapped", mend="unmap it first")
            if len(self._mappings) >= _MAX_MAPPINGS:
                raise RtdError(
                    Nerr.RESOURCE, f"{_MAX_MAPPINGS} shared memory objects are mapped", mend="unmap one first"
                )
            descriptor = self._open(name, path, protection)
            try:
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode):
                    raise RtdError(Nerr.INVALID, f"shared memory {path!r} is not a regular file")
                _check_rights(found, path, protection)
                if found.st_size < (1 if size_bytes is None else size_bytes) or size_bytes == 0:
                    raise RtdError(
                        Nerr.INVALID,
                        f"shared memory {path!r} has {found.st_size} bytes, {size_bytes or 'more'} requested",
                    )
            except BaseException:
                os.close(descriptor)
                raise
            self._mappings[name, protection] = _Mapping(descriptor, protection, session_id, size_bytes)

    def _open(self, name: str, path: str, protection: int) -> int:
        mode = {PROT_READ: os.O_RDONLY, PROT_WRITE: os.O_WRONLY}.get(protection, os.O_RDWR)
        try:
            # A name could be a link out of the folder, or a pipe whose opening blocks.
            flags = mode | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            return os.open(name, flags, dir_fd=self._folder)
        except OSError as error:
            raise RtdError(Nerr.INVALID, f"shared memory {path!r} cannot be opened: {error.strerror}") from None

    def unmap(self, path: str, protection: int) -> None:
        """Unmap an object.

        Raises:
            RtdError: INVALID, when it is not mapped with that protection.
        """
        name = object_name(path)
        with self._lock:
            mapping = self._mappings.pop((name, protection), None)
            if mapping is None:
                raise RtdError(Nerr.INVALID, f"shared memory {path!r} is not mapped with protection {protection}")
            os.close(mapping.descriptor)

    def end_session(self, session_id: int) -> None:
        """Unmap the objects that a session mapped."""
        with self._lock:
            for key, mapping in list(self._mappings.items()):
                if mapping.session_id == session_id:
                    del self._mappings[key]
                    os.close(mapping.descriptor)

    def close(self) -> None:
        """Unmap everything."""
        with self._lock:
            for mapping in self._mappings.values():
                os.close(mapping.descriptor)
            self._mappings.clear()
            if self._folder >= 0:
                os.close(self._folder)
                self._folder = -1

    def __len__(self) -> int:
        return len(self._mappings)

    def _usable(self, path: str, protection: int, size_bytes: int) -> _Mapping:
        name = object_name(path)
        mapping = self._mappings.get((name, protection)) or self._mappings.get((name, PROT_READ | PROT_WRITE))
        if mapping is None:
            use = "an IFMAP" if protection == PROT_READ else "an OFMAP"
            raise RtdError(
                Nerr.INFER_BAD_INPUT, f"shared memory {path!r} is not mapped for {use}", mend="call shm_map first"
            )
        allowed = os.fstat(mapping.descriptor).st_size
        if mapping.size_bytes is not None:
            allowed = min(allowed, mapping.size_bytes)
        if allowed < size_bytes:
            raise RtdError(
                Nerr.INFER_BAD_INPUT, f"shared memory {path!r} has {allowed} bytes, the tensor has {size_bytes}"
            )
        return mapping

    def _duplicate(self, path: str, protection: int, size_bytes: int) -> int:
        with self._lock:
            return os.dup(self._usable(path, protection, size_bytes).descriptor)

    def check_writable(self, path: str, size_bytes: int) -> None:
        """Check that an OFMAP can be written there.

        Raises:
            RtdError: INFER_BAD_INPUT, when it is not mapped for writing or too small.
        """
        with self._lock:
            self._usable(path, PROT_WRITE, size_bytes)

    def read(self, path: str, size_bytes: int) -> NDArray[np.uint8]:
        """Read the first ``size_bytes`` bytes of an object.

        Raises:
            RtdError: INFER_BAD_INPUT, when it is not mapped for reading or too small.
        """
        import numpy as np

        data = np.empty(size_bytes, np.uint8)
        descriptor = self._duplicate(path, PROT_READ, size_bytes)
        try:
            done = 0
            while done < size_bytes:
                count = os.preadv(descriptor, [data.data[done:]], done)
                if not count:
                    raise RtdError(Nerr.INFER_BAD_INPUT, f"shared memory {path!r} was shortened while it was read")
                done += count
        finally:
            os.close(descriptor)
        return data

    def write(self, path: str, data: NDArray[np.uint8]) -> None:
        """Write bytes at the start of an object.

        Raises:
            RtdError: INFER_BAD_INPUT, when it is not mapped for writing or too small; RESOURCE, when there is no space.
        """
        descriptor = self._duplicate(path, PROT_WRITE, data.nbytes)
        try:
            done = 0
            while done < data.nbytes:
                done += os.pwritev(descriptor, [data.data[done:]], done)
        except OSError as error:
            raise RtdError(Nerr.RESOURCE, f"shared memory {path!r} cannot be written: {error.strerror}") from None
        finally:
            os.close(descriptor)
