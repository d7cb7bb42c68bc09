"""The table of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from neuron_console.units import NOT_AVAILABLE, format_bytes, format_latency, format_span
from neuron_top.formatting import format_percent, format_rate
from neuron_top.model.moment import Moment
from neuron_top.model.sample import make_sample
from neuron_top.model.table import Column
from runtime_core.telemetry import Severity, phrase
from runtime_core.telemetry.snapshot import sum_known

NOT_ASKED = "not asked yet"
OK = "ok"
_SILENT_RANK = int(Severity.CRITICAL) + 1
_NOT_ASKED_RANK = 0


class NodeRow(NamedTuple):
    """What is known of one node; ``None`` where a figure is not available.

    Attributes:
        endpoint: HOST:PORT.
        problem: why there is no answer, "" when there is one.
        answered_at: CLOCK_MONOTONIC of the last good answer, seconds.
        cores: utilization (0..1) by core index; ``None`` for a core of which nothing is known.
        failed: executions that did not complete well, since the report before.
        ecc_uncorrected: since the node's driver was loaded.
        state: what is wrong, the worst of it; "ok" for nothing.
        grade: how bad that is.
    """

    endpoint: str
    problem: str
    answered_at: float | None
    instance_id: str = ""
    instance_type: str = ""
    zone: str = ""
    runtimes: int | None = None
    owned: int | None = None
    cores: tuple[float | None, ...] = ()
    utilization: float | None = None
    executions_per_second: float | None = None
    p99_ns: float | None = None
    device_used_bytes: int | None = None
    device_total_bytes: int | None = None
    failed: int | None = None
    ecc_uncorrected: int | None = None
    state: str = OK
    grade: Severity | None = None

    @property
    def rank(self) -> int:
        """The urgency of the node's problems: 0 if it has none."""
        if self.problem:
            return _NOT_ASKED_RANK if self.problem == NOT_ASKED else _SILENT_RANK
        return int(self.grade or 0)


def silent_row(endpoint: str, problem: str, last: NodeRow | None) -> NodeRow:
    """Return the row of a node that does not answer: its identity is kept, its figures are not available."""
    if last is None:
        return NodeRow(endpoint, problem, None)
    return NodeRow(
        endpoint, problem, last.answered_at, last.instance_id, last.instance_type, last.zone,
        cores=(None,) * len(last.cores),
    )  # fmt: skip


def _failed(moment: Moment) -> int | None:
    if moment.rates is None:
        return None
    counts = [r.executions for r in moment.rates.runtimes.values() if r.executions is not None]
    if moment.rates.runtimes and not counts:
        return None
    return sum(sum(count) - count.completed for count in counts)


def answered_row(endpoint: str, moment: Moment, now: float) -> NodeRow:
    """Return the row of a node from its last answer; ``now`` is CLOCK_MONOTONIC in seconds."""
    sample = make_sample(moment)
    snapshot = moment.snapshot
    owners = snapshot.core_owner
    every = [core for device in snapshot.devices for core in device.core_ids]
    ecc = [v for d in snapshot.devices for v in (d.ecc.mem_ecc_uncorrected, d.ecc.sram_ecc_uncorrected)]
    return NodeRow(
        endpoint,
        "",
        now,
        snapshot.instance.instance_id,
        snapshot.instance.instance_type,
        snapshot.instance.availability_zone,
        len(snapshot.runtimes),
        len(owners),
        tuple(sample.cores.get(core, None if core in owners else 0.0) for core in every),
        sample.overall.utilization,
        sample.overall.executions_per_second,
        sample.overall.p99_ns,
        sum_known(tuple(d.memory_used_bytes for d in snapshot.devices)),
        sum_known(tuple(d.memory_total_bytes for d in snapshot.devices)),
        _failed(moment),
        sum_known(tuple(ecc)),
        _state(moment),
        max((v.severity for v in moment.health), default=None),
    )


def _state(moment: Moment) -> str:
    """The worst verdict in words, and how many more there are."""
    if not moment.health:
        return OK
    more = len(moment.health) - 1
    return phrase(moment.health[0], moment.snapshot.time_ns) + (f" +{more}" if more else "")


def named(row: NodeRow) -> tuple[str, ...]:
    """What a filter looks at."""
    return row.endpoint, row.instance_type, row.instance_id, row.zone, row.problem


def age_text(row: NodeRow, now: float) -> str:
    """How long ago a node answered last."""
    return "never" if row.answered_at is None else format_span(now - row.answered_at)


def state_text(row: NodeRow, now: float) -> str:
    """``ok``, what is wrong, or why there is no answer and since when."""
    if not row.problem:
        return row.state
    return f"{row.problem} (last answer: {age_text(row, now)}{'' if row.answered_at is None else ' ago'})"


def _count(value: int | None) -> str:
    return NOT_AVAILABLE if value is None else str(value)


def _memory_share(row: NodeRow) -> float | None:
    if row.device_used_bytes is None or not row.device_total_bytes:
        return None
    return row.device_used_bytes / row.device_total_bytes


# The first ones fit into 80 columns.
COLUMNS: tuple[Column[NodeRow], ...] = (
    Column("NODE", 22, lambda r: r.endpoint, lambda r: r.endpoint),
    Column("STATE", 28, lambda r: r.problem or r.state, lambda r: r.rank, numeric=True),
    Column("UTIL", 7, lambda r: format_percent(r.utilization), lambda r: r.utilization, numeric=True),
    Column("EXEC", 9, lambda r: format_rate(r.executions_per_second), lambda r: r.executions_per_second, numeric=True),
    Column("P99", 9, lambda r: format_latency(r.p99_ns), lambda r: r.p99_ns, numeric=True),
    Column("TYPE", 13, lambda r: r.instance_type or NOT_AVAILABLE, lambda r: r.instance_type or None),
    Column("CORES", 6, lambda r: _owned(r), lambda r: r.owned, numeric=True),
    Column("FAIL", 6, lambda r: _count(r.failed), lambda r: r.failed, numeric=True),
    Column("DEVICE", 10, lambda r: format_bytes(r.device_used_bytes), lambda r: r.device_used_bytes, numeric=True),
    Column("MEM", 7, lambda r: format_percent(_memory_share(r)), _memory_share, numeric=True),
    Column("APPS", 5, lambda r: _count(r.runtimes), lambda r: r.runtimes, numeric=True),
    Column("ECC", 5, lambda r: _count(r.ecc_uncorrected), lambda r: r.ecc_uncorrected, numeric=True),
    Column("INSTANCE", 20, lambda r: r.instance_id or NOT_AVAILABLE, lambda r: r.instance_id or None),
    Column("ZONE", 11, lambda r: r.zone or NOT_AVAILABLE, lambda r: r.zone or None),
)


def _owned(row: NodeRow) -> str:
    return NOT_AVAILABLE if row.owned is None else f"{row.owned}/{len(row.cores)}"


class FleetTotals(NamedTuple):
    """All nodes together."""

    nodes: int
    answering: int
    cores: int
    owned: int
    utilization: float | None
    executions_per_second: float | None
    unhealthy: int = 0


def totals(rows: tuple[NodeRow, ...]) -> FleetTotals:
    """Sums over the nodes that answer; utilization is the mean over their cores."""
    known = [share for row in rows for share in row.cores if share is not None]
    answering = [row for row in rows if not row.problem]
    rates = [row.executions_per_second for row in answering if row.executions_per_second is not None]
    return FleetTotals(
        len(rows),
        len(answering),
        sum(len(row.cores) for row in answering),
        sum(row.owned or 0 for row in answering),
        sum(known) / len(known) if known else None,
        sum(rates) if rates else None,
        sum(row.rank >= Severity.WARNING for row in answering),
    )


NODE_COLUMN, STATE_COLUMN, CORES_COLUMN = 0, 1, 6


class Group(NamedTuple):
    """Nodes that are drawn together: their title and places in the list."""

    title: str
    numbers: tuple[int, ...]


_GROUPS = ("no answer", "critical", "warnings", "ok")


def grouped(rows: Sequence[NodeRow]) -> tuple[Group, ...]:
    """The nodes by health, the worst first, and within that by instance type; each in the order it has."""

    def title(row: NodeRow) -> str:
        place = {_SILENT_RANK: 0, int(Severity.CRITICAL): 1, int(Severity.WARNING): 2}.get(row.rank, 3)
        return f"{_GROUPS[place]}  {row.instance_type}".strip()

    found: dict[str, list[int]] = {}
    for number in sorted(range(len(rows)), key=lambda n: (-min(rows[n].rank, _SILENT_RANK), rows[n].instance_type)):
        found.setdefault(title(rows[number]), []).append(number)
    return tuple(Group(f"{name} ({len(numbers)})", tuple(numbers)) for name, numbers in found.items())
