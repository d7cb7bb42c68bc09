"""Read a node: sources of snapshots, rates between two snapshots, and the health of the node.

===========================  ===========================================================================
:func:`open_source`          a :class:`Source`: a simulated node, the driver's sysfs tree, or a recording
:class:`Snapshot`            the node at one moment; counters are cumulative, ``None`` means not available
:func:`rates`                :class:`Rates` between two snapshots: per second, ratios, percentiles
:class:`Histogram`           latencies in buckets at most 1 % wide; supports subtraction, merging and quantiles
:func:`judge`                a :class:`Verdict` on each device and runtime, with :class:`VerdictKind` and
                                                          :class:`Severity`; :func:`phrase` words it,
                                                          :class:`HealthWatch` tracks changes
:func:`format_ranges`        index lists: ``0-3,8``
:class:`NeuronError`         the base class of all errors: ``what``, ``where``, ``mend``; its subclasses include
                             :class:`NodeError`, :class:`NodeNotFoundError` and :class:`UsageError`
:func:`write_atomically`     writes a file so that readers never see it incomplete
:func:`read_regular`         reads a regular file up to a size limit; :func:`open_regular` opens one
===========================  ===========================================================================

Example::

    from runtime_core.telemetry import open_source, rates

    source = open_source()
    before = source.snapshot()
    time.sleep(1)
    print(rates(before, source.snapshot()).cores)
"""

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
    """Import the health rules on first use, because short commands do not need them."""
    if name in _HEALTH:
        from runtime_core.telemetry import health

        return getattr(health, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
