"""Writes files that the user named."""

from __future__ import annotations

from pathlib import Path

from runtime_core.errors import NeuronError
from runtime_core.files import PRIVATE, write_atomically


def write_output(path: Path, content: bytes, *, mode: int | None = PRIVATE) -> None:
    """Write a file that the user named, atomically.

    Args:
        path: the file; its folder exists.
        content: its bytes.
        mode: permissions; ``None`` for those that the umask gives to new files.

    Raises:
        NeuronError: it cannot be written; the error has the reason.
    """
    try:
        write_atomically(path, content, mode=mode)
    except OSError as error:
        raise NeuronError(f"cannot be written: {error.strerror}", where=str(path)) from None
