"""Files: atomic writes, and opening of regular files only."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from runtime_core.errors import UsageError

PRIVATE = 0o600

_HANDED_OVER = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")
"""Pipes that the caller's shell passed by name, such as ``<(command)``: the caller chose to wait for them."""

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_regular(path: str | os.PathLike[str], flags: int = os.O_RDONLY, *, dir_fd: int | None = None) -> int:
    """Open a regular file; never wait for a FIFO's other end and never touch a device.

    Args:
        path: the file. A pipe that a shell passed as ``/dev/fd/N`` is accepted.
        flags: of :func:`os.open`; ``O_CLOEXEC`` is added.
        dir_fd: the folder that a relative path starts from.

    Returns:
        A descriptor, which the caller closes.

    Raises:
        OSError: the file cannot be opened, or is not a regular file; ``strerror`` says which.
    """
    # Check before opening: opening some devices has an effect.
    _check_kind(os.stat(path, dir_fd=dir_fd, follow_symlinks=not flags & os.O_NOFOLLOW).st_mode, path)
    # O_NONBLOCK has no effect on regular files; without it, a FIFO that replaced the file would block the caller.
    fd = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY, dir_fd=dir_fd)
    try:
        mode = os.fstat(fd).st_mode
        _check_kind(mode, path)
        if stat.S_ISFIFO(mode):
            os.set_blocking(fd, True)
    except BaseException:
        os.close(fd)
        raise
    return fd


def check_model_file(path: Path) -> None:
    """Check that a model file can be opened.

    Raises:
        UsageError: it is missing, not a regular file, or not readable.
    """
    try:
        os.close(open_regular(path))
    except FileNotFoundError:
        raise UsageError("model file not found", where=str(path)) from None
    except OSError as error:
        raise UsageError(f"cannot read the model file: {error.strerror}", where=str(path)) from None


def _check_kind(mode: int, path: str | os.PathLike[str]) -> None:
    if stat.S_ISREG(mode) or (stat.S_ISFIFO(mode) and os.fspath(path).startswith(_HANDED_OVER)):
        return
    if stat.S_ISLNK(mode):
        raise OSError(errno.ELOOP, "a symbolic link, which is not followed", os.fspath(path))
    kind = next((name for matches, name in _KINDS if matches(mode)), "of an unknown type")
    raise OSError(errno.EINVAL, f"not a regular file but {kind}", os.fspath(path))


def read_regular(path: str | os.PathLike[str], limit_bytes: int | None = None, *, dir_fd: int | None = None) -> bytes:
    """The content of a regular file.

    Args:
        path: see :func:`open_regular`.
        limit_bytes: refuse a longer file; ``None``: any length.
        dir_fd: the folder that a relative path starts from.

    Raises:
        OSError: as :func:`open_regular`, or the file is longer than ``limit_bytes``.
    """
    with open(open_regular(path, dir_fd=dir_fd), "rb") as file:
        if limit_bytes is None:
            return file.read()
        # One byte more detects a longer file; the known size avoids a buffer of the whole limit.
        known = os.fstat(file.fileno()).st_size
        if known > limit_bytes:
            raise OSError(errno.EFBIG, f"longer than {_size(limit_bytes)}", os.fspath(path))
        pieces: list[bytes] = []
        left = limit_bytes + 1
        while left and (piece := file.read(min(left, 1 << 20))):
            pieces.append(piece)
            left -= len(piece)
        if not left:
            raise OSError(errno.EFBIG, f"longer than {_size(limit_bytes)}", os.fspath(path))
        return b"".join(pieces)


def _size(size_bytes: int) -> str:
    mib, rest = divmod(size_bytes, 1 << 20)
    return f"{size_bytes} bytes" if rest else f"{mib} MiB"


def write_atomically(path: Path, content: bytes | Iterable[bytes], *, mode: int | None = PRIVATE) -> None:
    """Write a temporary file in the same folder and rename it.

    Args:
        path: the file; its folder exists.
        content: its bytes, or pieces of them.
        mode: permissions; ``None``: those of the process's umask.

    Raises:
        OSError: the file cannot be written; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name[:200]}.{os.urandom(8).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with open(os.open(temporary, flags, 0o666 if mode is None else PRIVATE), "wb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
            if mode is not None:
                # The umask must not change the requested mode.
                os.fchmod(file.fileno(), mode)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
