"""The files of an installation that other programs read: Grafana, Prometheus, systemd, Kubernetes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from dashboards.runbooks import RUNBOOKS
from neuron_tools.files import write_output
from runtime_core.errors import NeuronError, UsageError

_COMPOSE = "grafana/compose.yml"
_BUILD_IN_A_CHECKOUT = "context: ../..\n      dockerfile: deploy/container/Dockerfile\n"
_BUILD_FROM_A_WHEEL = "context: ../container # put the suite's wheel there, beside the Dockerfile\n"


class Bundle(NamedTuple):
    """A kind of files: the package and the directory that contain them."""

    package: str
    folder: str


BUNDLES: Mapping[str, Bundle] = {
    "dashboards": Bundle("dashboards", "json"),
    "rules": Bundle("dashboards", "rules"),
    "deploy": Bundle("neuron_tools.export", "deploy"),
}


def _walk(folder: Traversable, below: PurePosixPath) -> Iterator[tuple[PurePosixPath, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from _walk(entry, below / entry.name)
        else:
            yield below / entry.name, entry


def _adapted(path: PurePosixPath, text: str, runbooks: str) -> str:
    """Adapt a file for use without a checkout."""
    if str(path) == _COMPOSE:
        if _BUILD_IN_A_CHECKOUT not in text:
            raise NeuronError("the file does not build the image as expected", where=str(path))
        text = text.replace(_BUILD_IN_A_CHECKOUT, _BUILD_FROM_A_WHEEL)
    return text.replace(RUNBOOKS, runbooks)


def contents(kind: str, runbooks: str = RUNBOOKS) -> dict[PurePosixPath, str]:
    """Return each file of a bundle: its path below the target directory, and its text.

    Args:
        kind: a key of :data:`BUNDLES`.
        runbooks: URL of the page that the alerts' runbook links refer to.

    Raises:
        UsageError: ``runbooks`` is not an absolute URL.
    """
    if not runbooks.startswith(("https://", "http://")) or not runbooks.isprintable() or set(" #\"'") & set(runbooks):
        raise UsageError(
            f"{runbooks!r} is not an absolute URL", where="--runbooks", mend="give one such as https://HOST/runbooks/"
        )
    bundle = BUNDLES[kind]
    found = _walk(files(bundle.package) / bundle.folder, PurePosixPath())
    return {path: _adapted(path, entry.read_text(encoding="utf-8"), runbooks) for path, entry in found}


def write(kind: str, target: Path, *, runbooks: str = RUNBOOKS, overwrite: bool = False) -> list[Path]:
    """Write a bundle to ``target``, which is created if it is missing; return the paths of the files.

    A file that already has the right content is not written again, so a repeated export succeeds.

    Raises:
        UsageError: ``runbooks`` is not an absolute URL.
        NeuronError: a file with different content exists and ``overwrite`` is false (then nothing is written), or a
            file or directory cannot be written.
    """
    wanted = {target / path: text.encode() for path, text in contents(kind, runbooks).items()}
    try:
        missing = [path for path, content in wanted.items() if not path.is_file() or path.read_bytes() != content]
        changed = [path for path in missing if path.exists() or path.is_symlink()]
        if changed and not overwrite:
            raise NeuronError(
                f"{len(changed)} file(s) with different content exist", where=str(changed[0]), mend="use --overwrite"
            )
        for path in missing:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_output(path, wanted[path], mode=None)
    except OSError as error:
        raise NeuronError(f"cannot write: {error.strerror}", where=str(error.filename or target)) from None
    return list(wanted)
