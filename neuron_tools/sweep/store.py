"""Results of a sweep as NDJSON: a line for the sweep, then a line per job.

Lines are appended as jobs end, and sorted when all have ended.

A sweep continues from an incomplete file: jobs with a result are not run again. If a run was killed, its last line may
be incomplete; that line is dropped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from neuron_tools.files import write_output
from neuron_tools.sweep.job import Done, Job
from runtime_core import __version__
from runtime_core.errors import NeuronError, UsageError


class Sweep(msgspec.Struct, frozen=True):
    """The first line.

    Attributes:
        sweep: kind of the sweep.
        name: name of the file whose jobs are run.
        jobs: number of jobs.
        version: version of the suite.
        digest: hash of all jobs; sweeps with equal hashes have equal results.
    """

    sweep: str
    name: str
    jobs: int
    version: str
    digest: str


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """A job: its number, its label, and its result or error."""

    job: int
    label: dict[str, Any]
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""


def sweep_of(kind: str, name: str, jobs: Sequence[Job]) -> Sweep:
    """The first line of a sweep's file."""
    digest = hashlib.sha256(b"\n".join(msgspec.json.encode(job) for job in jobs)).hexdigest()
    return Sweep(kind, name, len(jobs), __version__, digest)


class Store:
    """The lines of a sweep, in a file or only in memory."""

    def __init__(self, path: Path | None, sweep: Sweep, labels: Sequence[Mapping[str, Any]]) -> None:
        """Read the results that the file already has.

        Args:
            path: the file; ``None``: keep the results in memory only.
            sweep: the first line.
            labels: labels of the jobs.

        Raises:
            UsageError: the file is not of this sweep.
            NeuronError: it cannot be read or written.
        """
        self._path, self._sweep, self._labels = path, sweep, labels
        self.lines: dict[int, Line] = {}
        if path is None:
            return
        for line in self._read(path):
            # Failed jobs are run again.
            if not line.error and 0 <= line.job < sweep.jobs:
                self.lines[line.job] = line
        self._write()

    def _read(self, path: Path) -> Iterator[Line]:
        try:
            rows = path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        except OSError as error:
            raise NeuronError(f"cannot be read: {error.strerror}", where=str(path)) from None
        try:
            same = msgspec.json.decode(rows[0], type=Sweep) == self._sweep
        except msgspec.MsgspecError:
            same = False
        if not same:
            raise UsageError("the file holds something else", where=str(path), mend="remove it, or choose another file")
        for row in rows[1:]:
            try:
                yield msgspec.json.decode(row, type=Line)
            except msgspec.MsgspecError:
                # An incomplete line: its job runs again.
                continue

    def missing(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs without a result."""
        return [job for job in jobs if job.number not in self.lines]

    def add(self, done: Done) -> None:
        """Store the end of a job.

        Raises:
            NeuronError: the file cannot be written.
        """
        line = Line(done.number, dict(self._labels[done.number]), done.result, done.error)
        self.lines[done.number] = line
        if self._path is not None:
            try:
                with self._path.open("ab") as file:
                    file.write(msgspec.json.encode(line) + b"\n")
            except OSError as error:
                raise NeuronError(f"cannot be written: {error.strerror}", where=str(self._path)) from None

    def close(self) -> None:
        """Sort the file, so that equal sweeps give equal bytes.

        Raises:
            NeuronError: the file cannot be written.
        """
        if self._path is not None:
            self._write()

    def _write(self) -> None:
        assert self._path is not None  # noqa: S101 - callers looked
        rows = [msgspec.json.encode(self._sweep), *(msgspec.json.encode(self.lines[n]) for n in sorted(self.lines))]
        write_output(self._path, b"".join(row + b"\n" for row in rows))
