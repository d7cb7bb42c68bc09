"""Write files named by the user."""

from __future__ import annotations

from pathlib import Path

from runtime_core.errors import NeuronError
from runtime_core.files import PRIVATE, write_atomically


def write_output(path: Path, content: bytes, *, mode: int | None = PRIVATE) -> None:
    """Write a file named by the user, atomically.

    Args:
        path: the file; its directory exists.
        content: bytes to write.
        mode: permissions; ``None``: the default for new files, from the umask.

    Raises:
        NeuronError: the file cannot be written; the error contains the reason.
    """
    try:
        write_atomically(path, content, mode=mode)
    except OSError as error:
        raise NeuronError(f"cannot be written: {error.strerror}", where=str(path)) from None
