"""The order of a fleet's nodes, its groups, and the table for programs."""

import csv
import io
import json

from neuron_top.model.fleet import COLUMNS, NodeRow, silent_row
from neuron_top.model.fleet_export import as_csv, as_json
from neuron_top.model.fleet_order import GROUPINGS, group_rows, groups_of, next_grouping, ordered
from runtime_core.telemetry import Severity


def node(number, *, grade=None, zone="a", utilization=0.5, **more):
    state = "ok" if grade is None else f"trouble {number}"
    return NodeRow(
        f"n{number:02d}", "", 1.0, zone=zone, cores=(utilization,), utilization=utilization, state=state, grade=grade,
        owned=1, executions_per_second=10.0, **more,
    )  # fmt: skip


ZONE, TYPE = GROUPINGS


def test_the_worst_ten_come_first_whatever_the_order():
    rows = [node(n, grade=Severity.WARNING, failed=n) for n in range(12)] + [node(20, utilization=0.9)]
    rows.append(silent_row("n30", "no answer", None))
    rows.append(node(40, grade=Severity.NOTICE))
    column = next(n for n, c in enumerate(COLUMNS) if c.title == "UTIL")
    found = [row.endpoint for row in ordered(rows, column, reverse=True, worst_first=True)]
    assert found[:3] == ["n30", "n11", "n10"], "no answer is worst, then those with most failures"
    assert found[10:] == ["n20", "n00", "n01", "n02", "n40"], "the others by utilization"
    plain = [row.endpoint for row in ordered(rows, column, reverse=True, worst_first=False)]
    assert plain[0] == "n20"
    assert sorted(plain) == sorted(found)


def test_a_group_is_a_row_of_sums():
    rows = [
        node(1, zone="a", utilization=0.2, p99_ns=5.0, failed=1, device_used_bytes=7),
        node(2, zone="a", utilization=0.4, p99_ns=9.0, grade=Severity.WARNING),
        silent_row("n3", "gone", node(3, zone="a")),
        node(4, zone=""),
    ]
    a, unknown = group_rows(rows, ZONE)
    assert (a.endpoint, a.state, a.grade) == ("a", "3 nodes, 1 without an answer, 1 with problems", Severity.CRITICAL)
    assert abs(a.utilization - 0.3) < 1e-9
    assert (a.owned, a.executions_per_second, a.p99_ns, a.failed, a.device_used_bytes) == (2, 20.0, 9.0, 1, 7)
    assert (unknown.endpoint, unknown.state, unknown.grade) == ("unknown", "1 node", None)
    assert [group.title for group in groups_of(rows, ZONE)] == ["a (3)", "unknown (1)"]
    assert next_grouping("") == "zone"
    assert next_grouping("type") == ""
    assert next_grouping("of another release") == ""


def test_the_table_for_programs():
    rows = [node(1, p99_ns=2e7, failed=0), silent_row("n2", 'cannot reach n2: "odd", really', None)]
    found = json.loads(as_json(rows))
    assert (found["node_count"], found["answering_count"], found["executions_per_second"]) == (2, 1, 10.0)
    first, second = found["nodes"]
    assert (first["node"], first["answers"], first["execution_latency_p99_seconds"]) == ("n01", True, 0.02)
    assert (second["utilization_ratio"], second["severity"]) == (None, "critical")
    lines = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert lines[0].keys() == first.keys()
    assert (lines[0]["utilization_ratio"], lines[1]["utilization_ratio"]) == ("0.5", "")
    assert [line["answers"] for line in lines] == ["true", "false"]
    assert lines[1]["problem"] == 'cannot reach n2: "odd", really'
