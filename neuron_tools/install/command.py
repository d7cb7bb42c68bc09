"""Installs below a prefix, and uninstalls: only what the record lists is ever replaced or removed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from neuron_tools.install.parts import PARTS, Part
from neuron_tools.install.record import RECORD, Record, read_record, seen, write_record
from runtime_core.driver.paths import ROOT_VARIABLE
from runtime_core.errors import NeuronError
from runtime_core.files import write_atomically


class Entry(NamedTuple):
    """A file to make: a link to ``target``, or a program with ``content``."""

    target: Path
    content: bytes | None = None

    @property
    def shape(self) -> str:
        """As :func:`neuron_tools.install.record.seen` tells it."""
        if self.content is None:
            return f"link {self.target}"
        return f"file {hashlib.sha256(self.content).hexdigest()}"


class Removal(NamedTuple):
    """What an uninstallation did: paths removed, and paths left because somebody changed them."""

    removed: list[str]
    left: list[str]


def _with_root(program: Path, root: Path) -> bytes:
    """A program that runs ``program`` on the node in ``root``, unless the environment names another."""
    lines = (
        "#!/bin/sh",
        "# Made by neuron-sim install.",
        f"{ROOT_VARIABLE}=${{{ROOT_VARIABLE}:-{shlex.quote(str(root))}}}",
        f"export {ROOT_VARIABLE}",
        f'exec {shlex.quote(str(program))} "$@"',
    )
    return os.fsencode("\n".join(lines) + "\n")


def _entries(parts: tuple[Part, ...], root: Path | None) -> dict[str, Entry]:
    found = {}
    for part in parts:
        for name, target in part.entries().items():
            content = _with_root(target, root) if part.executable and root is not None else None
            found[f"{part.folder}/{name}"] = Entry(target, content)
    return found


@contextlib.contextmanager
def _reported(prefix: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        mend = "run as a user who may write there, or choose another place with --prefix"
        raise NeuronError(f"cannot install: {error.strerror}", where=str(error.filename or prefix), mend=mend) from None


def _make_folders(prefix: Path, names: list[str]) -> list[str]:
    """Create the folders of files below the prefix; returns those that were missing, outermost first."""
    wanted = {str(parent) for name in names for parent in Path(name).parents} - {"."}
    made = []
    if not prefix.is_dir():
        prefix.mkdir(parents=True)
        made.append("")
    for folder in sorted(wanted):
        if not (prefix / folder).is_dir():
            (prefix / folder).mkdir()
            made.append(folder)
    return made


def _place(path: Path, entry: Entry) -> None:
    if entry.content is not None:
        write_atomically(path, entry.content, mode=0o755)
        return
    path.symlink_to(entry.target)


def install(prefix: Path, root: Path | None = None, parts: tuple[Part, ...] = PARTS) -> list[str]:
    """Put the suite below ``prefix``; returns the paths of its files. A repeated installation brings it up to date.

    Args:
        prefix: an absolute path; created where it is missing.
        root: directory of the node that the commands use unless ``NEURON_SIM_ROOT`` is set; ``None`` gives none.
        parts: what to install.

    Raises:
        NeuronError: a file that the suite did not make is in the way (nothing is changed then), or a file cannot be
            written.
    """
    entries = _entries(parts, root)
    old = read_record(prefix) or Record({}, [])
    with _reported(prefix):
        for name in entries:
            standing = seen(prefix / name)
            if standing is not None and standing != old.files.get(name):
                what = "was not made by neuron-sim install, or was changed since"
                raise NeuronError(what, where=str(prefix / name), mend="move it away, or use another --prefix")
        folders = [*old.folders, *_make_folders(prefix, list(entries))]
        shapes = {name: entry.shape for name, entry in entries.items()}
        for name, shape in old.files.items():
            if shapes.get(name) != shape and seen(prefix / name) == shape:
                (prefix / name).unlink()
        # Before any file: an installation that is interrupted can be repeated or removed.
        write_record(prefix, Record(shapes, folders))
        for name, entry in entries.items():
            if seen(prefix / name) is None:
                _place(prefix / name, entry)
    return [str(prefix / name) for name in entries]


def uninstall(prefix: Path) -> Removal:
    """Remove what :func:`install` made below ``prefix``. What was changed since stays, and is reported.

    Raises:
        NeuronError: nothing is installed there, or a file cannot be removed.
    """
    record = read_record(prefix)
    if record is None:
        raise NeuronError("nothing that neuron-sim install made is here", where=str(prefix))
    removed, left = [], []
    with _reported(prefix):
        for name, shape in record.files.items():
            standing = seen(prefix / name)
            if standing == shape:
                (prefix / name).unlink()
                removed.append(str(prefix / name))
            elif standing is not None:
                left.append(str(prefix / name))
        (prefix / RECORD).unlink()
        for folder in reversed(record.folders):
            with contextlib.suppress(OSError):  # somebody else's files are in it, or it is gone
                (prefix / folder).rmdir()
    return Removal(removed, left)
