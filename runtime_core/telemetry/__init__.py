"""The reading side: snapshots of a node, where they come from, rates between two of them, and the node's health."""

from typing import TYPE_CHECKING

from runtime_core.errors import NeuronError, NodeError, NodeNotFoundError, UsageError
from runtime_core.files import open_regular, read_regular, write_atomically
from runtime_core.histogram import Histogram
from runtime_core.ranges import format_ranges
from runtime_core.telemetry.rates import Rates, rates
from runtime_core.telemetry.snapshot import Snapshot
from runtime_core.telemetry.source import Source, open_source

if TYPE_CHECKING:
    from runtime_core.telemetry.health import HealthWatch, Severity, Verdict, VerdictKind, judge, phrase

__all__ = [
    "HealthWatch",
    "Histogram",
    "NeuronError",
    "NodeError",
    "NodeNotFoundError",
    "Rates",
    "Severity",
    "Snapshot",
    "Source",
    "UsageError",
    "Verdict",
    "VerdictKind",
    "format_ranges",
    "judge",
    "open_regular",
    "open_source",
    "phrase",
    "rates",
    "read_regular",
    "write_atomically",
]

_HEALTH = frozenset({"HealthWatch", "Severity", "Verdict", "VerdictKind", "judge", "phrase"})


def __getattr__(name: str) -> object:
    """Load the rules of health for those who ask for them: commands that end at once have no use for them."""
    if name in _HEALTH:
        from runtime_core.telemetry import health

        return getattr(health, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
