"""Reports: the contract's fields in its order, true figures, sums that hold."""

import json

import msgspec
import pytest
from worlds import BUSY, SECOND, make_runtime, make_snapshot

from neuron_monitor.collector import Collector
from neuron_monitor.config import default_config, parse_config
from neuron_monitor.report import Report
from runtime_core.telemetry import NodeNotFoundError


class Replay:
    """A source that shows given snapshots one after the other; ``None``: the node is gone."""

    name = "test"

    def __init__(self, *snapshots):
        self._snapshots = list(snapshots)

    def snapshot(self, *, host=False):
        found = self._snapshots.pop(0)
        if found is None:
            raise NodeNotFoundError("no Neuron node")
        return found

    def close(self):
        pass


def reports(*snapshots, config=None, times=None):
    collector = Collector(Replay(*snapshots), config or default_config(), 0)
    times = times or [5 * SECOND * n for n in range(1, len(snapshots))]
    return [json.loads(msgspec.json.encode(collector.collect(t))) for t in times]


def busy(seconds, runtimes=BUSY):
    return make_snapshot(seconds=seconds, runtimes=runtimes)


def test_the_top_level_and_each_group_are_in_the_contracts_order():
    (report,) = reports(busy(1), busy(6))
    assert list(report) == ["neuron_runtime_data", "system_data", "instance_info", "neuron_hardware_info"]
    entry = report["neuron_runtime_data"][0]
    assert list(entry) == ["pid", "neuron_runtime_tag", "address", "error", "report"]
    for group in (*entry["report"].values(), *report["system_data"].values()):
        assert next(iter(group)) == "period"
        assert list(group)[-1] == "error"
        assert group["period"] == 5.0
    assert list(entry["report"]["memory_used"]["neuron_runtime_used_bytes"]) == [
        "host", "neuron_device", "usage_breakdown"]  # fmt: skip


def test_figures_are_those_of_the_period():
    (report,) = reports(busy(1), busy(6))
    web = report["neuron_runtime_data"][0]["report"]
    assert web["neuroncore_counters"]["neuroncores_in_use"] == {
        "0": {"neuroncore_utilization": 50.0, "flops": 4 * 10**12},
        "1": {"neuroncore_utilization": 50.0, "flops": 4 * 10**12},
    }
    assert web["execution_stats"]["execution_summary"]["completed"] == 500
    assert web["execution_stats"]["execution_summary"]["timed_out"] == 0
    assert web["execution_stats"]["latency_stats"]["total_latency"]["p50"] == pytest.approx(0.002, rel=0.01)
    assert web["neuron_runtime_vcpu_usage"]["vcpu_usage"] == {"user": 5.0, "system": 2.5}
    system = report["system_data"]
    assert system["vcpu_usage"]["average_usage"]["user"] == 50.0
    assert system["vcpu_usage"]["context_switch_count"] == 5000
    assert system["neuron_hw_counters"]["neuron_devices"][0]["mem_ecc_corrected"] == 0


def test_memory_adds_up_from_categories_to_totals():
    (report,) = reports(busy(1), busy(6))
    for entry in report["neuron_runtime_data"]:
        used = entry["report"]["memory_used"]["neuron_runtime_used_bytes"]
        breakdown = used["usage_breakdown"]
        assert used["host"] == sum(breakdown["host"].values())
        cores = breakdown["neuroncore_memory_usage"]
        assert used["neuron_device"] == sum(sum(core.values()) for core in cores.values())
        for model in entry["report"]["memory_used"]["loaded_models"]:
            for part in model["subgraphs"].values():
                memory = part["memory_used_bytes"]
                assert memory["neuron_device"] == sum(memory["usage_breakdown"]["neuron_device"].values())
                assert memory["host"] == sum(memory["usage_breakdown"]["host"].values())


def test_nothing_ran_means_no_latency():
    still = make_runtime(1, 101, (0,), "web")
    (report,) = reports(make_snapshot(seconds=1, runtimes=(still,)),
                        make_snapshot(seconds=6, runtimes=(still._replace(time_ns=6 * SECOND),)))  # fmt: skip
    stats = report["neuron_runtime_data"][0]["report"]["execution_stats"]
    assert stats["latency_stats"] == {"total_latency": None, "device_latency": None}
    assert stats["execution_summary"]["completed"] == 0


def test_no_runtime_is_an_empty_list():
    (report,) = reports(make_snapshot(seconds=1), make_snapshot(seconds=6))
    assert report["neuron_runtime_data"] == []


def test_a_runtime_that_cannot_be_read_says_so_and_the_rest_goes_on():
    def world(seconds):
        stuck = make_runtime(seconds, 7, (2,), "stuck", error="stands still")
        return make_snapshot(seconds=seconds, runtimes=(stuck, BUSY[0]))

    stuck, web = reports(world(1), world(6))[0]["neuron_runtime_data"]
    assert stuck["error"] == "stands still"
    assert stuck["report"]["execution_stats"]["execution_summary"] is None
    assert web["report"]["execution_stats"]["execution_summary"]["completed"] == 500


def test_a_node_that_goes_away_is_reported_and_comes_back():
    gone, back = reports(busy(1), None, busy(11))
    assert gone["neuron_runtime_data"] == []
    assert gone["neuron_hardware_info"]["error"] == "no Neuron node"
    assert gone["system_data"]["memory_info"]["memory_total_bytes"] is None
    assert len(back["neuron_runtime_data"]) == 2


GROUPS = {
    "period": "1s",
    "neuron_runtimes": [
        {"tag_filter": "^web$", "metrics": [{"type": "neuroncore_counters"}, {"type": "memory_used", "period": "2s"}]}
    ],
    "system_metrics": [{"type": "memory_info", "period": "3s"}],
}


def test_a_group_that_is_not_due_is_absent_and_a_runtime_that_no_rule_names_too():
    config = parse_config(json.dumps(GROUPS).encode(), "c")
    made = reports(*[busy(s) for s in range(1, 8)], config=config, times=[SECOND * n for n in range(1, 7)])
    shown = [sorted(r["neuron_runtime_data"][0]["report"]) for r in made]
    assert shown == [["neuroncore_counters"], ["memory_used", "neuroncore_counters"]] * 3
    assert ["memory_info" in r["system_data"] for r in made] == [False, False, True] * 2
    assert {len(r["neuron_runtime_data"]) for r in made} == {1}
    assert made[1]["neuron_runtime_data"][0]["report"]["memory_used"]["period"] == 2.0


def test_a_late_report_skips_and_never_bursts():
    config = parse_config(json.dumps(GROUPS).encode(), "c")
    collector = Collector(Replay(busy(1), busy(5)), config, 0)
    assert collector.next_deadline_ns() == SECOND
    collector.collect(int(4.5 * SECOND))
    assert collector.next_deadline_ns() == 5 * SECOND


def test_every_report_fits_the_schema():
    for report in reports(busy(1), busy(6), None, make_snapshot(seconds=16)):
        msgspec.convert(report, Report)
