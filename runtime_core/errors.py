"""The failures a caller can act on. Each message says what is wrong, where, and how to mend it, in one line."""

from __future__ import annotations


class NeuronError(Exception):
    """Any expected failure of the suite; commands print it as one line and exit with 1."""


class UsageError(NeuronError):
    """The request itself is wrong (a flag, a name, a range); commands exit with 2."""


class NodeError(NeuronError):
    """The node directory cannot be used: missing, foreign, unreadable, no room."""


class NodeNotFoundError(NodeError):
    """There is no Neuron node (simulated or real) where one was looked for."""


class DatastoreError(NodeError):
    """The mapped datastore is corrupt, truncated or of a layout this version does not know."""


class ModelFileError(NeuronError):
    """A model file that can't be read or compiled (ONNX); names the file, the place and the mend."""
