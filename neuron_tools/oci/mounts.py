"""Bind mounts inside a container that is being created, protected against its image.

The image controls the files below the container's root, including symbolic links, while the hook has the privileges of
the host. Therefore every directory from the root to a mount's target is opened separately and must not be a link.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from runtime_core.errors import NodeError

_CLONE_NEWNS = 0x00020000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT, _MS_BIND = 0x1, 0x2, 0x4, 0x8, 0x20, 0x1000
_libc = ctypes.CDLL(None, use_errno=True)


class Bind(NamedTuple):
    """A file or directory of the host to mount in the container.

    Attributes:
        source: a file or directory of the host.
        target: absolute path in the container.
        read_only: mount it read-only.
        device: the source is a device file.
    """

    source: Path
    target: PurePosixPath
    read_only: bool = False
    device: bool = False


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise NodeError(
            f"{os.strerror(number)}; the hook requires the privileges of the container's runtime", where=str(what)
        )


@contextlib.contextmanager
def _opened(path: str | Path, flags: int, dir_fd: int | None = None) -> Iterator[int]:
    fd = os.open(path, flags | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        yield fd
    finally:
        os.close(fd)


def enter_mount_namespace(pid: int) -> None:
    """Enter the mount namespace of process ``pid``.

    Raises:
        NodeError: the process does not exist, or permission is denied.
    """
    try:
        with _opened(f"/proc/{pid}/ns/mnt", os.O_RDONLY) as fd:
            _check(_libc.setns(fd, _CLONE_NEWNS), f"cannot enter the mount namespace of process {pid}")
    except OSError as error:
        raise NodeError(f"cannot enter the mount namespace of process {pid}: {error.strerror}") from None


def _make(name: str, fd: int, *, directory: bool) -> None:
    with contextlib.suppress(FileExistsError):
        if directory:
            os.mkdir(name, 0o755, dir_fd=fd)
        else:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644, dir_fd=fd))


def open_below(root: Path, target: PurePosixPath, *, directory: bool) -> int:
    """Return a descriptor (O_PATH) of ``target`` below ``root``; create missing parts.

    Raises:
        NodeError: the target is not an absolute path without ``..``, or leads through a symbolic link.
    """
    parts = target.parts[1:]
    if not target.is_absolute() or not parts or ".." in parts:
        raise NodeError("invalid target in the container", where=str(target), mend="use an absolute path without ..")
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for number, name in enumerate(parts, start=1):
            inner = directory or number < len(parts)
            _make(name, fd, directory=inner)
            flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
            below = os.open(name, flags, dir_fd=fd)
            os.close(fd)
            fd = below
            mode = os.fstat(fd).st_mode
            if stat.S_ISLNK(mode) or stat.S_ISDIR(mode) != inner:
                what = "a symbolic link" if stat.S_ISLNK(mode) else "not of the expected type"
                raise NodeError(
                    f"{PurePosixPath('/', *parts[:number])} is {what} in the container's image",
                    mend="use another image",
                )
    except OSError as error:
        os.close(fd)
        raise NodeError(f"cannot create it in the container: {error.strerror}", where=str(target)) from None
    except BaseException:
        os.close(fd)
        raise
    return fd


def _mount(source: str | None, target: str, flags: int, what: str) -> None:
    _check(_libc.mount(source.encode() if source else None, target.encode(), None, flags, None), what)


def bind_all(rootfs: Path, binds: Sequence[Bind]) -> None:
    """Mount every bind below ``rootfs``, in the caller's mount namespace.

    Raises:
        NodeError: a source is missing, a target is refused, or permission to mount is denied.
    """
    for bind in binds:
        what = f"cannot mount {bind.source} on {bind.target}"
        try:
            with _opened(bind.source, os.O_PATH) as source:
                directory = stat.S_ISDIR(os.fstat(source).st_mode)
                target = open_below(rootfs, bind.target, directory=directory)
                try:
                    _mount(f"/proc/self/fd/{source}", f"/proc/self/fd/{target}", _MS_BIND, what)
                finally:
                    os.close(target)
        except OSError as error:
            what = "not found" if error.errno == errno.ENOENT else f"cannot open it: {error.strerror}"
            raise NodeError(what, where=str(bind.source), mend="set the node up first with 'neuron-sim up'") from None
        flags = _MS_BIND | _MS_REMOUNT | _MS_NOSUID | _MS_NOEXEC
        flags |= (0 if bind.device else _MS_NODEV) | (_MS_RDONLY if bind.read_only else 0)
        # Open it again: this descriptor refers to the mounted file.
        target = open_below(rootfs, bind.target, directory=directory)
        try:
            _mount(None, f"/proc/self/fd/{target}", flags, what)
        finally:
            os.close(target)
