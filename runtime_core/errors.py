"""The errors that a caller can act on. Each says what is wrong, where, and what to do, in one line."""

from __future__ import annotations

from typing import ClassVar


class NeuronError(Exception):
    """Any expected failure of the suite; commands print it as one line and exit with ``exit_code``.

    Attributes:
        what: what is wrong.
        where: the file, address or name that it concerns; empty if ``what`` names it.
        mend: the remedy, as an imperative; empty if there is none.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str = "", *, where: str = "", mend: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.mend = mend

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.what, self.mend) if part)


class UsageError(NeuronError):
    """The request is invalid (a flag, a name, a range); commands exit with 2."""

    exit_code = 2


class NodeError(NeuronError):
    """The node directory cannot be used: missing, owned by another user, unreadable, or the disk is full."""


class NodeNotFoundError(NodeError):
    """The Neuron node (simulated or real) is missing."""


class DatastoreError(NodeError):
    """The mapped datastore is corrupt, truncated or of a layout that this version does not read."""


class ModelFileError(NeuronError):
    """A model file (ONNX) that cannot be read or compiled; names the file, the place and the remedy."""
