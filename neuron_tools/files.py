"""Writing files that the user named."""

from __future__ import annotations

from pathlib import Path

from runtime_core.errors import NeuronError
from runtime_core.files import write_atomically


def write_output(path: Path, content: bytes) -> None:
    """Write a file that the user named.

    Raises:
        NeuronError: it can't be written; it says why.
    """
    try:
        write_atomically(path, content)
    except OSError as error:
        raise NeuronError(f"{path} can't be written: {error.strerror}") from None
