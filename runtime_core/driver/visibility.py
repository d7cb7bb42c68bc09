"""The devices of a node that are visible here: all, or in a container the assigned ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from runtime_core.driver.paths import VISIBLE_FILE
from runtime_core.errors import DatastoreError
from runtime_core.files import read_regular, write_atomically

ALL = "ALL"
_MAX_BYTES = 4096


def read_visible(root: Path, device_count: int) -> tuple[int, ...]:
    """The visible devices of the node in ``root``, ascending; all of its ``device_count`` without a file that says so.

    Raises:
        DatastoreError: the file does not name devices of the node.
    """
    try:
        text = read_regular(root / VISIBLE_FILE, _MAX_BYTES).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return tuple(range(device_count))
    except OSError as error:
        raise DatastoreError(
            f"it cannot be read: {error.strerror}",
            where=str(root / VISIBLE_FILE),
            mend="write device numbers such as 0,2 into it, or remove it",
        ) from None
    parts = text.split(",")
    if all(part.isascii() and part.isdigit() and len(part) <= 4 and int(part) < device_count for part in parts):
        return tuple(sorted({int(part) for part in parts}))
    raise DatastoreError(
        "expected device numbers of the node",
        where=str(root / VISIBLE_FILE),
        mend="write numbers such as 0,2 into it, or remove it",
    )


def write_visible(path: Path, devices: Iterable[int]) -> None:
    """Write the list of visible devices atomically."""
    write_atomically(path, (",".join(map(str, devices)) + "\n").encode(), mode=0o644)
