"""The failures a caller can act on. Each message says what is wrong, where, and how to mend it, in one line."""

from __future__ import annotations

from typing import ClassVar


class NeuronError(Exception):
    """Any expected failure of the suite; commands print it as one line and exit with ``exit_code``.

    Attributes:
        what: what is wrong.
        where: the file, address or name that it concerns; empty where ``what`` already says it.
        mend: what the user can do about it; empty where there is nothing to say.
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
    """The request itself is wrong (a flag, a name, a range); commands exit with 2."""

    exit_code = 2


class NodeError(NeuronError):
    """The node directory cannot be used: missing, foreign, unreadable, no room."""


class NodeNotFoundError(NodeError):
    """There is no Neuron node (simulated or real) where one was looked for."""


class DatastoreError(NodeError):
    """The mapped datastore is corrupt, truncated or of a layout this version does not know."""


class ModelFileError(NeuronError):
    """A model file that can't be read or compiled (ONNX); names the file, the place and the mend."""
