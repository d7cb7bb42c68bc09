"""The files that jobs read. They must be the same on every machine, under the same path."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from neuron_tools.scenario.schema import ModelSpec
from runtime_core.errors import NeuronError


class InputFile(msgspec.Struct, frozen=True):
    """A file: its path, and the SHA-256 of its content."""

    path: str
    sha256: str


def input_file(path: Path) -> InputFile:
    """Return the file with the hash of its content on this machine.

    Raises:
        NeuronError: it cannot be read.
    """
    return InputFile(str(path.absolute()), _digest(path))


def check_files(files: Iterable[InputFile]) -> None:
    """Check that the files are the same as on the machine that made the jobs.

    Raises:
        NeuronError: a file is missing or differs.
    """
    for file in files:
        if _digest(Path(file.path)) != file.sha256:
            raise NeuronError(
                "the file differs from the one on the machine that made the job", where=file.path,
                mend="share the folder among all workers, or start again",
            )  # fmt: skip


def model_files(models: Iterable[ModelSpec], folder: Path) -> tuple[InputFile, ...]:
    """Return the model files of a scenario or a fleet.

    Raises:
        NeuronError: a file cannot be read.
    """
    names = sorted({name for model in models if (name := model.neff or model.onnx) is not None})
    return tuple(input_file(folder / name) for name in names)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise NeuronError(
            f"cannot be read: {error.strerror}", where=str(path),
            mend="workers on other machines need the same files under the same path",
        ) from None  # fmt: skip
