"""Install and uninstall below a prefix; only files in the record are ever replaced or removed."""

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
    """A file to create: a link to ``target``, or a program with ``content``."""

    target: Path
    content: bytes | None = None

    @property
    def shape(self) -> str:
        """Its state, in the form of :func:`neuron_tools.install.record.seen`."""
        if self.content is None:
            return f"link {self.target}"
        return f"file {hashlib.sha256(self.content).hexdigest()}"


class Removal(NamedTuple):
    """Result of an uninstallation: removed paths, and paths kept because they were changed."""

    removed: list[str]
    left: list[str]


def _with_root(program: Path, root: Path) -> bytes:
    """Return a script that runs ``program`` on the node in ``root``, unless the environment names another node."""
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
    """Create the directories of files below the prefix; return those that were missing, outermost first."""
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
    """Install the suite below ``prefix``; return the paths of its files. A repeated installation updates it.

    Args:
        prefix: an absolute path; created if it is missing.
        root: directory of the node that the commands use unless ``NEURON_SIM_ROOT`` is set; ``None``: no such node.
        parts: the parts to install.

    Raises:
        NeuronError: a file that the suite did not create is in the way (then nothing is changed), or a file cannot be
            written.
    """
    entries = _entries(parts, root)
    old = read_record(prefix) or Record({}, [])
    with _reported(prefix):
        for name in entries:
            standing = seen(prefix / name)
            if standing is not None and standing != old.files.get(name):
                what = "was not created by neuron-sim install, or has been changed since"
                raise NeuronError(what, where=str(prefix / name), mend="move it away, or use another --prefix")
        folders = [*old.folders, *_make_folders(prefix, list(entries))]
        shapes = {name: entry.shape for name, entry in entries.items()}
        for name, shape in old.files.items():
            if shapes.get(name) != shape and seen(prefix / name) == shape:
                (prefix / name).unlink()
        # Written before any file, so that an interrupted installation can be repeated or removed.
        write_record(prefix, Record(shapes, folders))
        for name, entry in entries.items():
            if seen(prefix / name) is None:
                _place(prefix / name, entry)
    return [str(prefix / name) for name in entries]


def uninstall(prefix: Path) -> Removal:
    """Remove the files that :func:`install` created below ``prefix``. Changed files are kept and reported.

    Raises:
        NeuronError: nothing is installed there, or a file cannot be removed.
    """
    record = read_record(prefix)
    if record is None:
        raise NeuronError("no installation of neuron-sim install found", where=str(prefix))
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
            with contextlib.suppress(OSError):  # it contains other files, or does not exist any more
                (prefix / folder).rmdir()
    return Removal(removed, left)
