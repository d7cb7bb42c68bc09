"""The archive for support: the findings and the data that the checks used, scrubbed."""

from __future__ import annotations

import gzip
import io
import json
import os
import platform
import tarfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from neuron_ls.listing import View, render
from neuron_tools.gatherinfo.finding import Finding, Surroundings
from neuron_tools.gatherinfo.host_checks import installed_version, requirements
from neuron_tools.gatherinfo.report import render_json, render_text
from neuron_tools.gatherinfo.scrub import Scrubber
from runtime_core.driver.paths import NODE_FILE
from runtime_core.errors import UsageError

_FOLDER = "neuron-gatherinfo"
_MAX_FILE_BYTES = 1 << 20
_MAX_TREE_FILES = 20_000
_VALUE_BYTES = 4096
_VARIABLE_PREFIXES = ("NEURON", "AWS_NEURON", "PYTHON", "XDG_RUNTIME_DIR")


def _read(path: Path) -> str | None:
    """Return the text of a small regular file, not followed through a link."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(fd, "rb") as file:
        try:
            return file.read(_MAX_FILE_BYTES).decode("utf-8", "replace")
        except OSError:
            return None


def _tree(root: Path) -> Iterator[str]:
    """Yield every file of a sysfs tree as ``path: value``."""
    count = 0
    for folder, directories, names in os.walk(root, followlinks=False):
        directories.sort()
        for name in sorted(names):
            path = Path(folder, name)
            count += 1
            if count > _MAX_TREE_FILES:
                yield "... more files"
                return
            text = _read(path)
            shown = "(cannot be read)" if text is None else " ".join(text[:_VALUE_BYTES].split())
            yield f"{path.relative_to(root)}: {shown}"


def _versions() -> dict[str, str | None]:
    names = dict.fromkeys(requirement.name for requirement in requirements())
    return {name: installed_version(name) for name in names}


def contents(around: Surroundings, findings: list[Finding]) -> Iterator[tuple[str, str]]:
    """Yield name and text of every file in the archive, before scrubbing."""
    yield "report.txt", render_text(findings) + "\n"
    yield "report.json", render_json(findings, around.source) + "\n"
    variables = {n: v for n, v in sorted(around.environment.items()) if n.startswith(_VARIABLE_PREFIXES)}
    yield "environment.json", json.dumps(variables, indent=2) + "\n"
    host = {"system": platform.system(), "release": platform.release(), "machine": platform.machine(),
            "python": platform.python_version(), "cpus": os.cpu_count()}  # fmt: skip
    yield "host.json", json.dumps(host, indent=2) + "\n"
    yield "versions.json", json.dumps(_versions(), indent=2) + "\n"
    if around.snapshot is not None:
        yield "neuron-ls.json", render(around.snapshot, View(as_json=True)) + "\n"
        yield "neuron-ls.txt", render(around.snapshot, View(wide=True, topology=True)) + "\n"
    if around.root is not None:
        node = _read(around.root / NODE_FILE)
        if node is not None:
            yield NODE_FILE, node
    else:
        yield "sysfs.txt", "\n".join(_tree(Path(around.source.partition(":")[2]))) + "\n"


def _archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb") as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{_FOLDER}/{name}")
            entry.size, entry.mode, entry.mtime = len(content), 0o600, int(time.time())
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def write_bundle(path: Path, around: Surroundings, findings: list[Finding], scrubber: Scrubber) -> list[str]:
    """Write the archive, readable only by its owner; return the names of the files in it.

    Raises:
        UsageError: ``path`` exists, possibly as a link.
        OSError: the archive cannot be written.
    """
    files = {name: scrubber.scrub(text).encode() for name, text in contents(around, findings)}
    try:
        # O_EXCL refuses links too.
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise UsageError("the file already exists", where=str(path), mend="use a new file name for --bundle") from None
    try:
        with os.fdopen(fd, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(_archive(files))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return list(files)
