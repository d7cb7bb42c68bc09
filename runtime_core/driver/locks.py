"""Ownership on a node by byte-range POSIX record locks: the kernel knows the holder, and frees them when it ends.

A process loses such a lock when it closes *any* descriptor of the file, so it keeps one shared descriptor per node and
never opens the file a second time. Other code in the process may still do so (a library that copies the directory): the
process then loses all its locks at once, and :meth:`LockFile.still_holds` detects it. A forked child inherits no lock.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import stat
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

from runtime_core.driver.layout import PAGE_COUNT
from runtime_core.driver.trust import check_trusted
from runtime_core.errors import DatastoreError, NodeError, NodeNotFoundError
from runtime_core.files import open_regular
from runtime_core.instance import MAX_CORES

_FLOCK = struct.Struct("@hhqqi4x")

CORE_BASE = 0
PAGE_BASE = 1024
DEVICE_BASE = 2048
TABLE_BYTE = 4096
FAULT_BYTE = 4097
"""Locked while the table of faults is changed."""


def core_byte(core: int) -> int:
    """The byte that represents the ownership of a global NeuronCore."""
    return CORE_BASE + core


def page_byte(page: int) -> int:
    """The byte that the owner of a datastore page keeps locked while it is alive."""
    return PAGE_BASE + page


def device_byte(device: int) -> int:
    """The byte held while a device's DRAM accounting or counters are changed."""
    return DEVICE_BASE + device


@functools.cache
def _question(byte: int) -> bytes:
    """The query for the lock on one byte."""
    return _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)


# A query for the open file reports record locks of this process as conflicts, which F_GETLK would not.
_ASK = fcntl.F_OFD_GETLK


class LockFile:
    """The one descriptor of a node's lock file in this process.

    Attributes:
        losses: number of times that this process has lost all its locks.
    """

    def __init__(self, path: Path) -> None:
        """Open ``path``, which must exist."""
        try:
            # A reader of another user's node cannot write: F_GETLK needs no write permission.
            try:
                self._fd = open_regular(path, os.O_RDWR | os.O_NOFOLLOW)
            except PermissionError:
                self._fd = open_regular(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise NodeNotFoundError(
                f"no Neuron node in {path.parent}", mend="set one up with 'neuron-sim up'"
            ) from None
        try:
            check_trusted(os.fstat(self._fd), path)
        except BaseException:
            # It is safe to close this, because this process does not hold locks on the file yet.
            os.close(self._fd)
            raise
        self._held: set[int] = set()
        self._pid = os.getpid()
        self._guard = threading.Lock()
        self.users = 0
        self.losses = 0

    @property
    def fd(self) -> int:
        """The descriptor; never close it or open the file elsewhere."""
        return self._fd

    def forget(self) -> None:
        """Reset in a forked child: it inherits no lock, and a thread that it lacks may have held the guard."""
        self._held = set()
        self._pid = os.getpid()
        self._guard = threading.Lock()

    def _own(self) -> set[int]:
        if self._pid != os.getpid():
            self.forget()
        return self._held

    def try_lock(self, byte: int) -> bool:
        """Lock ``byte`` if no process holds it, including this one."""
        with self._guard:
            held = self._own()
            if byte in held:
                if self._ask(byte) == self._pid:
                    return False
                held = self._forget()
            try:
                fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EAGAIN):
                    return False
                raise
            held.add(byte)
            return True

    def unlock(self, byte: int) -> None:
        """Release ``byte``; no effect when this process does not hold it."""
        with self._guard:
            held = self._own()
            if byte in held:
                held.discard(byte)
                fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, byte)

    def wait(self, byte: int) -> None:
        """Lock ``byte``, and wait if another *process* holds it. The caller must exclude threads from each other."""
        fcntl.lockf(self._fd, fcntl.LOCK_EX, 1, byte)
        with self._guard:
            self._own().add(byte)

    def holder(self, byte: int) -> int | None:
        """The pid that holds ``byte``, ``None`` when it is free; 0 when the holder is outside this pid namespace."""
        return self._ask(byte)

    def _ask(self, byte: int) -> int | None:
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(self._fd, _ASK, _question(byte)))
        return None if kind == fcntl.F_UNLCK else max(0, pid)

    def still_holds(self, byte: int) -> bool:
        """Whether this process still holds a byte that it locked, according to the kernel."""
        if self._ask(byte) == self._pid:
            return True
        with self._guard:
            if byte in self._own():
                self._forget()
        return False

    def _forget(self) -> set[int]:
        """Record the loss of all locks. Short-lived ones are released by their holders."""
        self.losses += 1
        self._held = {byte for byte in self._held if byte >= DEVICE_BASE}
        return self._held

    def any_held(self) -> bool:
        """Whether any core or page of the node is owned by a process other than this one."""
        span = max(CORE_BASE + MAX_CORES, PAGE_BASE + PAGE_COUNT)
        answer = fcntl.fcntl(self._fd, fcntl.F_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, span, 0))
        return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)

    def close(self) -> None:
        """Close the descriptor; this process loses all its locks on the node."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._held = set()


_open_files: dict[tuple[int, int], LockFile] = {}
_open_files_guard = threading.Lock()


def _forget() -> None:
    global _open_files_guard
    _open_files_guard = threading.Lock()
    for lock_file in _open_files.values():
        lock_file.forget()


os.register_at_fork(after_in_child=_forget)


@contextlib.contextmanager
def _exclusive() -> Iterator[None]:
    with _open_files_guard:
        yield


def acquire_lock_file(path: Path) -> LockFile:
    """This process's descriptor of the lock file, opened by the first call; pair with :func:`release_lock_file`."""
    with _exclusive():
        try:
            found = path.lstat()
            if not stat.S_ISREG(found.st_mode):
                raise DatastoreError(
                    "it is not a regular file",
                    where=str(path),
                    mend="set the node up again with 'neuron-sim down --force' and 'neuron-sim up'",
                )
        except FileNotFoundError:
            raise NodeNotFoundError(
                f"no Neuron node in {path.parent}", mend="set one up with 'neuron-sim up'"
            ) from None
        except PermissionError:
            raise NodeError(
                f"no permission for the node in {path.parent}", mend="run as its owner, or set NEURON_SIM_ROOT"
            ) from None
        key = (found.st_dev, found.st_ino)
        lock_file = _open_files.get(key)
        if lock_file is None:
            lock_file = _open_files[key] = LockFile(path)
        lock_file.users += 1
        return lock_file


def release_lock_file(lock_file: LockFile) -> None:
    """Release the descriptor of :func:`acquire_lock_file`; the last release closes it."""
    with _exclusive():
        lock_file.users -= 1
        if lock_file.users <= 0:
            for key, known in list(_open_files.items()):
                if known is lock_file:
                    del _open_files[key]
            lock_file.close()
