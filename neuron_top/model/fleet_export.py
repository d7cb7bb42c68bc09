"""The table of nodes as CSV and JSON: one record a node, with units in the names."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import msgspec

from neuron_top.model.fleet import NodeRow, totals
from runtime_core.telemetry import Severity


class NodeRecord(msgspec.Struct):
    """One node. ``None`` is "not available"; ``problem`` says why a node does not answer."""

    node: str
    answers: bool
    problem: str
    state: str
    severity: str
    instance_id: str
    instance_type: str
    availability_zone: str
    runtime_count: int | None
    neuroncore_count: int
    neuroncore_owned_count: int | None
    utilization_ratio: float | None
    executions_per_second: float | None
    executions_failed: int | None
    execution_latency_p99_seconds: float | None
    device_memory_used_bytes: int | None
    device_memory_total_bytes: int | None
    ecc_uncorrected_total: int | None


class FleetRecord(msgspec.Struct):
    """All nodes together, and each."""

    node_count: int
    answering_count: int
    neuroncore_count: int
    neuroncore_owned_count: int
    utilization_ratio: float | None
    executions_per_second: float | None
    nodes: list[NodeRecord]


def node_record(row: NodeRow) -> NodeRecord:
    """The record of a row."""
    severity = Severity.CRITICAL if row.problem else row.grade
    return NodeRecord(
        row.endpoint,
        not row.problem,
        row.problem,
        "" if row.problem else row.state,
        "" if severity is None else severity.name.lower(),
        row.instance_id,
        row.instance_type,
        row.zone,
        row.runtimes,
        len(row.cores),
        row.owned,
        row.utilization,
        row.executions_per_second,
        row.failed,
        None if row.p99_ns is None else row.p99_ns / 1e9,
        row.device_used_bytes,
        row.device_total_bytes,
        row.ecc_uncorrected,
    )


def as_json(rows: Sequence[NodeRow]) -> str:
    """An object of :class:`FleetRecord`, indented."""
    known = totals(tuple(rows))
    record = FleetRecord(
        known.nodes,
        known.answering,
        known.cores,
        known.owned,
        known.utilization,
        known.executions_per_second,
        [node_record(row) for row in rows],
    )
    return msgspec.json.format(msgspec.json.encode(record), indent=2).decode() + "\n"


def as_csv(rows: Sequence[NodeRow]) -> str:
    """A line of titles and one of each node (RFC 4180, ended by LF); what is not available is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(NodeRecord.__struct_fields__)
    for row in rows:
        values = msgspec.structs.astuple(node_record(row))
        writer.writerow([str(value).lower() if isinstance(value, bool) else value for value in values])
    return text.getvalue()
