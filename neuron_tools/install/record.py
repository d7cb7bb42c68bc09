"""The record of files that an installation created below its prefix, used to check and remove them."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path, PurePosixPath

import msgspec

from runtime_core.errors import NeuronError
from runtime_core.files import write_atomically

RECORD = ".neuron-tools-sim.json"
"""File in the prefix that lists the created files."""

_RECORD_BYTES = 1 << 20
_PROGRAM_BYTES = 1 << 16


class Record(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The created files and directories.

    Attributes:
        files: path below the prefix -> its state, in the form of :func:`seen`.
        folders: directories that did not exist before, outermost first; ``""`` is the prefix.
    """

    files: dict[str, str]
    folders: list[str]
    version: int = 1


def seen(path: Path) -> str | None:
    """Return the state of ``path``: ``link TARGET``, ``file SHA256``, ``other``, or ``None`` if it does not exist.

    Raises:
        OSError: the path cannot be read.
    """
    try:
        kind = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISLNK(kind.st_mode):
        return f"link {os.readlink(path)}"
    if stat.S_ISREG(kind.st_mode) and kind.st_size <= _PROGRAM_BYTES:
        return f"file {hashlib.sha256(path.read_bytes()).hexdigest()}"
    return "other"


def read_record(prefix: Path) -> Record | None:
    """Return the record of ``prefix``, or ``None`` if there is none.

    Raises:
        NeuronError: the record cannot be read, or lists a path outside the prefix.
    """
    path = prefix / RECORD
    try:
        with path.open("rb") as file:
            record = msgspec.json.decode(file.read(_RECORD_BYTES), type=Record)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise NeuronError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except msgspec.MsgspecError as error:
        raise NeuronError(
            f"is not a valid record of an installation: {error}", where=str(path), mend="remove it by hand"
        ) from None
    names = [*record.files, *(name for name in record.folders if name)]
    wrong = [n for n in names if n != str(PurePosixPath(n)) or n.startswith("/") or {"..", "."} & {*n.split("/")}]
    if record.version != 1 or wrong:
        what = (
            f"lists {wrong[0]!r}, which is outside of the prefix"
            if wrong
            else f"has the unknown version {record.version}"
        )
        raise NeuronError(what, where=str(path), mend="remove it by hand")
    return record


def write_record(prefix: Path, record: Record) -> None:
    """Write the record.

    Raises:
        OSError: the record cannot be written.
    """
    content = msgspec.json.format(msgspec.json.encode(record), indent=1)
    write_atomically(prefix / RECORD, content + b"\n", mode=0o644)
