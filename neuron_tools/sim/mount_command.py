"""``neuron-sim mount``: the driver's tree of the node as a FUSE file system."""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from pathlib import Path
from typing import Protocol

from neuron_console.extras import requires
from runtime_core.errors import NodeError
from runtime_core.mirror.live_tree import EntryKind, LiveTree

_DEVICE = Path("/dev/fuse")
_INSTEAD = "or keep a directory refreshed with 'neuron-sim sysfs --export DIR --follow 1'"
_MODES = {
    EntryKind.DIRECTORY: stat.S_IFDIR | 0o755,
    EntryKind.FIGURE: stat.S_IFREG | 0o444,
    EntryKind.COUNTER: stat.S_IFREG | 0o644,
    EntryKind.RESET: stat.S_IFREG | 0o200,
}
_FILE_BYTES = 4096
"""The size that sysfs reports for every file."""

_ENDED_BY_SIGNAL = (7, 8)
"""Result of libfuse's main function when a signal ended its loop (after which it has unmounted)."""


class _OpenFile(Protocol):
    """libfuse's ``fuse_file_info``, as far as it is used here."""

    fh: int
    direct_io: int


class TreeOperations:
    """Serves the kernel's requests for the mounted tree; one call at a time."""

    use_ns = True

    def __init__(self, tree: LiveTree) -> None:
        """Serve ``tree``."""
        self._tree = tree
        self._mounted_ns = time.time_ns()
        self._texts: dict[int, bytes] = {}
        self._next_handle = 1

    def getattr(self, path: str, file: _OpenFile | None = None) -> dict[str, int]:
        """Attributes of an entry, as in sysfs."""
        kind = self._tree.kind(path.lstrip("/"))
        times = dict.fromkeys(("st_atime", "st_mtime", "st_ctime"), self._mounted_ns)
        size_bytes = 0 if kind is EntryKind.DIRECTORY else _FILE_BYTES
        owner = {"st_uid": os.getuid(), "st_gid": os.getgid()}
        return {"st_mode": _MODES[kind], "st_nlink": 1, "st_size": size_bytes, **owner, **times}

    def readdir(self, path: str, handle: int) -> list[str]:
        """The names in a directory."""
        return [".", "..", *self._tree.names(path.lstrip("/"))]

    def open(self, path: str, file: _OpenFile) -> int:
        """Open a file; the kernel does not cache it."""
        self._tree.kind(path.lstrip("/"))
        file.fh, self._next_handle = self._next_handle, self._next_handle + 1
        file.direct_io = 1
        return 0

    def read(self, path: str, size: int, offset: int, file: _OpenFile) -> bytes:
        """Read from a file. As in sysfs, a read at offset 0 gets the current value; other reads continue its text."""
        if not offset or file.fh not in self._texts:
            self._texts[file.fh] = self._tree.read(path.lstrip("/"))
        return self._texts[file.fh][offset : offset + size]

    def write(self, path: str, data: bytes, offset: int, file: _OpenFile) -> int:
        """Clear a counter or reset a device."""
        self._tree.write(path.lstrip("/"), data)
        return len(data)

    def create(self, path: str, mode: int, file: _OpenFile) -> int:
        """Refuse: only the driver creates files."""
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    def truncate(self, path: str, length: int, file: _OpenFile | None = None) -> int:
        """Accept without effect: a shell's ``>`` truncates first."""
        self._tree.kind(path.lstrip("/"))
        return 0

    def release(self, path: str, file: _OpenFile) -> int:
        """Drop the text of a file."""
        self._texts.pop(file.fh, None)
        return 0

    def destroy(self, path: str) -> None:
        """Close the tree after the unmount."""
        self._tree.close()


def _check_directory(directory: Path) -> None:
    try:
        if any(directory.iterdir()):
            raise NodeError("the directory is not empty", where=str(directory), mend="mount on an empty directory")
    except FileNotFoundError:
        raise NodeError("directory not found", where=str(directory), mend="create it with mkdir") from None
    except NotADirectoryError:
        raise NodeError("not a directory", where=str(directory), mend="mount on an empty directory") from None
    except PermissionError:
        raise NodeError("permission denied", where=str(directory), mend="use a directory of yours") from None
    except OSError:
        # ENOTCONN: the process that served this mount has ended.
        raise NodeError(
            "a mount whose process has ended", where=str(directory), mend=f"run 'fusermount3 -u {directory}' first"
        ) from None


def _check_device(device: Path = _DEVICE) -> None:
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        raise NodeError(
            f"this machine has no FUSE ({device} is missing)", mend=f"run 'modprobe fuse', {_INSTEAD}"
        ) from None
    except OSError as error:
        raise NodeError(
            f"cannot use FUSE: {error.strerror}", where=str(device), mend=f"get access to it, {_INSTEAD}"
        ) from None


def mount(directory: Path) -> None:
    """Serve the node's tree in ``directory`` until Ctrl-C or ``fusermount3 -u``.

    Raises:
        NodeError: the node is missing, the directory cannot be mounted on, or FUSE is not available.
    """
    _check_directory(directory)
    _check_device()
    try:
        with requires("fuse"):
            import mfusepy
    except OSError:
        raise NodeError("libfuse is missing", mend=f"run 'apt-get install fuse3', {_INSTEAD}") from None
    operations = TreeOperations(LiveTree())
    print(f"serving {directory}; end with Ctrl-C or 'fusermount3 -u {directory}'", file=sys.stderr, flush=True)
    try:
        mfusepy.FUSE(operations, str(directory), foreground=True, nothreads=True, raw_fi=True, fsname="neuron-sim")
    except RuntimeError as error:
        if error.args[0] in _ENDED_BY_SIGNAL:
            raise KeyboardInterrupt from None
        # libfuse has printed the reason.
        raise NodeError(
            "cannot mount", where=str(directory), mend=f"install fuse3 for fusermount3, {_INSTEAD}"
        ) from None
