"""Reports: the contract's fields in order, correct figures, consistent sums."""

import copy
import json

import pytest
from worlds import BUSY, SECOND, make_runtime, make_snapshot

from neuron_monitor.collector import Collector
from neuron_monitor.config import parse_config
from neuron_monitor.unavailable import split_words
from runtime_core.telemetry import NodeError


def busy(seconds, runtimes=BUSY):
    return make_snapshot(seconds=seconds, runtimes=runtimes)


def test_the_top_level_and_each_group_are_in_the_contracts_order(reports):
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


def test_figures_are_those_of_the_period(reports):
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


def test_memory_adds_up_from_categories_to_totals(reports):
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


def test_nothing_ran_means_no_latency(reports):
    still = make_runtime(1, 101, (0,), "web")
    (report,) = reports(make_snapshot(seconds=1, runtimes=(still,)),
                        make_snapshot(seconds=6, runtimes=(still._replace(time_ns=6 * SECOND),)))  # fmt: skip
    stats = report["neuron_runtime_data"][0]["report"]["execution_stats"]
    assert stats["latency_stats"] == {"total_latency": None, "device_latency": None}
    assert stats["execution_summary"]["completed"] == 0


def test_no_runtime_is_an_empty_list(reports):
    (report,) = reports(make_snapshot(seconds=1), make_snapshot(seconds=6))
    assert report["neuron_runtime_data"] == []


def test_a_runtime_that_cannot_be_read_says_so_and_the_rest_goes_on(reports):
    def world(seconds):
        stuck = make_runtime(seconds, 7, (2,), "stuck", error="stands still")
        return make_snapshot(seconds=seconds, runtimes=(stuck, BUSY[0]))

    stuck, web = reports(world(1), world(6))[0]["neuron_runtime_data"]
    assert stuck["error"] == "stands still"
    stats = stuck["report"]["execution_stats"]
    assert stats["execution_summary"]["completed"] == 0
    assert stats["error"] == "stands still; not available, reported as 0 or null: error_summary, execution_summary"
    assert web["report"]["execution_stats"]["execution_summary"]["completed"] == 500


def test_a_node_that_goes_away_is_reported_and_comes_back(reports):
    gone, back = reports(busy(1), None, busy(11))
    assert gone["neuron_runtime_data"] == []
    assert gone["neuron_hardware_info"]["error"] == "no Neuron node"
    assert gone["system_data"]["memory_info"]["memory_total_bytes"] == 0
    assert "memory_total_bytes" in gone["system_data"]["memory_info"]["error"]
    assert len(back["neuron_runtime_data"]) == 2


GROUPS = {
    "period": "1s",
    "neuron_runtimes": [
        {"tag_filter": "^web$", "metrics": [{"type": "neuroncore_counters"}, {"type": "memory_used", "period": "2s"}]}
    ],
    "system_metrics": [{"type": "memory_info", "period": "3s"}],
}


def test_a_group_that_is_not_due_is_absent_and_a_runtime_that_no_rule_names_too(reports):
    config = parse_config(json.dumps(GROUPS).encode(), "c")
    made = reports(*[busy(s) for s in range(1, 8)], config=config, times=[SECOND * n for n in range(1, 7)])
    shown = [sorted(r["neuron_runtime_data"][0]["report"]) for r in made]
    assert shown == [["neuroncore_counters"], ["memory_used", "neuroncore_counters"]] * 3
    assert ["memory_info" in r["system_data"] for r in made] == [False, False, True] * 2
    assert {len(r["neuron_runtime_data"]) for r in made} == {1}
    assert made[1]["neuron_runtime_data"][0]["report"]["memory_used"]["period"] == 2.0


def test_a_late_report_skips_and_never_bursts(replay):
    config = parse_config(json.dumps(GROUPS).encode(), "c")
    collector = Collector(replay(busy(1), busy(5)), config, 0)
    assert collector.next_deadline_ns() == SECOND
    collector.collect(int(4.5 * SECOND))
    assert collector.next_deadline_ns() == 5 * SECOND


def test_every_report_fits_the_schema(reports, fits_schema):
    unreadable = make_snapshot(seconds=21, runtimes=(make_runtime(21, 7, (2,), "stuck", error="stands still"),))
    for report in reports(busy(1), busy(6), None, make_snapshot(seconds=16), unreadable):
        fits_schema(report)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("system_data", "vcpu_usage", "average_usage", "user"), 100.1),
        (("system_data", "memory_info", "memory_used_bytes"), -1),
        (("instance_info", "instance_id"), None),
        (("neuron_runtime_data",), {}),
        (("system_data", "vcpu_usage"), None),
    ],
)
def test_the_schema_refuses_what_is_no_report(reports, fits_schema, place, value):
    (report,) = copy.deepcopy(reports(busy(1), busy(6)))
    *way, last = place
    inner = report
    for name in way:
        inner = inner[name]
    inner[last] = value
    with pytest.raises(AssertionError, match=last):
        fits_schema(report)


def executed(report):
    stats = report["neuron_runtime_data"][0]["report"]["execution_stats"]
    error, lacking = split_words(stats["error"])
    completed = None if "execution_summary" in lacking else stats["execution_summary"]["completed"]
    return stats["period"], completed, error


def test_nothing_is_lost_or_counted_twice_while_a_runtime_cannot_be_read(reports):
    def world(seconds, error=""):
        return make_snapshot(seconds=seconds, runtimes=(make_runtime(seconds, 101, (0,), "web", error=error),))

    made = reports(world(101), world(106), world(111, "stands still"), world(116), world(121))
    assert [executed(r) for r in made] == [(5, 500, ""), (5, None, "stands still"), (10, 1000, ""), (5, 500, "")]


def test_a_runtime_that_could_never_be_read_before_says_that_its_period_is_unknown(reports):
    def world(seconds, error=""):
        return make_snapshot(seconds=seconds, runtimes=(make_runtime(seconds, 101, (0,), "web", error=error),))

    first, second = reports(world(101, "stands still"), world(106), world(111))
    period, completed, error = executed(first)
    assert (completed, period) == (None, 5)
    assert "earlier figures" in error
    assert first["neuron_runtime_data"][0]["report"]["memory_used"]["error"] == ""
    assert executed(second) == (5, 500, "")


def test_nothing_is_counted_twice_when_the_node_was_away(reports):
    _, _, back = reports(busy(101), busy(106), None, busy(116))
    assert executed(back) == (10, 1000, "")


def test_a_node_that_is_away_has_no_counts_of_zero(reports):
    (gone,) = reports(busy(1), None)
    assert gone["system_data"]["neuron_hw_counters"]["neuron_devices"] == []
    assert gone["system_data"]["neuron_hw_counters"]["error"] == "no Neuron node"
    assert gone["instance_info"]["instance_id"] == "i-0123456789abcdef0"


def test_any_trouble_with_the_source_is_reported(replay):
    class Troubled(replay):
        def snapshot(self, *, host=False):
            found = super().snapshot(host=host)
            if isinstance(found, Exception):
                raise found
            return found

    collector = Collector(Troubled(busy(1), OSError(24, "Too many open files"), NodeError("odd")), default(), 0)
    errors = [collector.collect(n * 5 * SECOND).report.neuron_hardware_info.error for n in (1, 2)]
    assert "Too many open files" in errors[0]
    assert errors[1] == "odd"


def default(**more):
    content = {"neuron_runtimes": [{"metrics": [{"type": "execution_stats"}]}], **more}
    return parse_config(json.dumps(content).encode(), "c")


def test_a_reload_loses_no_counts(replay):
    collector = Collector(replay(busy(100), busy(105), busy(109)), default(), 0)
    collector.collect(5 * SECOND)
    collector.reconfigure(default(period="2s"), 7 * SECOND)
    assert collector.next_deadline_ns() == 9 * SECOND
    stats = collector.collect(9 * SECOND).report.neuron_runtime_data[0].report.execution_stats
    assert (stats.period, stats.execution_summary.completed) == (4.0, 400)


def test_rules_that_match_the_same_runtime_add_up(reports):
    rules = [
        {"tag_filter": "^w", "metrics": [{"type": "neuroncore_counters", "period": "5s"}]},
        {"metrics": [{"type": "memory_used"}, {"type": "neuroncore_counters", "period": "1h"}]},
    ]
    (report,) = reports(busy(1), busy(6), config=parse_config(json.dumps({"neuron_runtimes": rules}).encode(), "c"))
    shown = {r["neuron_runtime_tag"]: sorted(r["report"]) for r in report["neuron_runtime_data"]}
    assert shown == {"web": ["memory_used", "neuroncore_counters"], "batch": ["memory_used"]}


def test_an_address_names_one_neuron_rtd(reports):
    def world(seconds):
        daemon = make_runtime(seconds, 9, (2,), "9")._replace(address="unix:/run/neuron.sock")
        return make_snapshot(seconds=seconds, runtimes=(daemon, BUSY[0]))

    rules = [{"address": "unix:/run/neuron.sock", "metrics": [{"type": "memory_used"}]}]
    (report,) = reports(world(1), world(6), config=parse_config(json.dumps({"neuron_runtimes": rules}).encode(), "c"))
    assert [r["address"] for r in report["neuron_runtime_data"]] == ["unix:/run/neuron.sock"]
