"""The reading side: snapshots of a node, where they come from, and rates between two of them."""

from runtime_core.errors import NeuronError, NodeError, NodeNotFoundError, UsageError
from runtime_core.files import open_regular, read_regular, write_atomically
from runtime_core.histogram import Histogram
from runtime_core.telemetry.rates import Rates, rates
from runtime_core.telemetry.snapshot import Snapshot
from runtime_core.telemetry.source import Source, open_source

__all__ = [
    "Histogram",
    "NeuronError",
    "NodeError",
    "NodeNotFoundError",
    "Rates",
    "Snapshot",
    "Source",
    "UsageError",
    "open_regular",
    "open_source",
    "rates",
    "read_regular",
    "write_atomically",
]
