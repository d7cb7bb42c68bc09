"""Files that readers see whole: the old one or the new one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

PRIVATE = 0o600


def write_atomically(path: Path, content: bytes | Iterable[bytes], *, mode: int | None = PRIVATE) -> None:
    """Write a file beside its place and move it in.

    Args:
        path: the file; its folder is there.
        content: its bytes, or pieces of them.
        mode: permissions; ``None`` for what the process's umask gives to new files.

    Raises:
        OSError: it can't be written; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name[:200]}.{os.urandom(8).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with open(os.open(temporary, flags, 0o666 if mode is None else PRIVATE), "wb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
            if mode is not None:
                # The umask has no say in what was asked for.
                os.fchmod(file.fileno(), mode)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
