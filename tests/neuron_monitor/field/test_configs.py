"""Configurations of users: names of earlier releases, invalid groups, byte order marks, comments."""

import json
from pathlib import Path

import pytest

from neuron_monitor.collector import Collector
from neuron_monitor.compat.releases import Compat
from neuron_monitor.config import ConfigError, load_config, parse_config
from neuron_monitor.config_names import RuntimeMetric, SystemMetric

CONFIGS = Path(__file__).parent / "configs"


def parsed(**content):
    return parse_config(json.dumps(content).encode(), "c.json")


@pytest.mark.parametrize(
    ("name", "runtime", "system", "warnings"),
    [
        ("first-runtime-2-names", ["neuroncore_counters", "memory_used", "execution_stats"], ["vcpu_usage"], 0),
        ("hardware-info-as-a-group", ["neuroncore_counters", "execution_stats"],
         ["memory_info", "neuron_hw_counters"], 1),
        ("runtime-1-names", ["neuroncore_counters", "memory_used", "execution_stats", "neuron_runtime_vcpu_usage"],
         ["neuron_hw_counters", "vcpu_usage"], 0),
        ("with-a-byte-order-mark", ["neuroncore_counters"], ["memory_info"], 0),
    ],
)  # fmt: skip
def test_configurations_of_the_field(name, runtime, system, warnings):
    config = load_config(CONFIGS / f"{name}.json")
    assert list(config.runtimes[0].periods) == runtime
    assert list(config.system) == system
    assert len(config.warnings) == warnings
    if name != "first-runtime-2-names":
        strict = "hardware_info|nc_counters|malformed|invalid"
        with pytest.raises(ConfigError, match=strict):
            load_config(CONFIGS / f"{name}.json", strict=True)


def test_an_unknown_group_and_an_unknown_field_are_one_warning_each_and_the_rest_runs():
    config = parsed(perod="1s", neuron_runtimes=[{"metrics": [{"type": "x\ny"}, {"type": "memory_used"}]}])
    assert config.runtimes[0].periods == {RuntimeMetric.MEMORY_USED: 5.0}
    assert [text.partition(":")[0] for text in config.warnings] == ["$.perod", "$.neuron_runtimes[0].metrics[0].type"]
    assert not any("\n" in text for text in config.warnings)


def test_groups_of_the_other_section():
    config = parsed(system_metrics=[{"type": "memory_used"}, {"type": "memory_info", "period": "2s"}])
    assert config.system == {SystemMetric.MEMORY_INFO: 2.0}
    assert "neuron_runtimes" in config.warnings[0]


def test_a_file_of_unknown_groups_only_still_reports_the_instance(replay):
    from worlds import make_snapshot

    config = parsed(period="2s", system_metrics=[{"type": "neuron_hardware_info"}])
    collector = Collector(replay(make_snapshot(seconds=1), make_snapshot(seconds=3)), config, 0)
    assert collector.next_deadline_ns() == 2 * 10**9
    report = collector.collect(2 * 10**9).report
    assert report.neuron_hardware_info.neuron_device_count == 4
    assert collector.next_deadline_ns() == 4 * 10**9


def test_comments_keep_lines_and_text_that_looks_like_one():
    config = parse_config(
        b'// ours\n{"period": "2s", # often\n /* all\n of them */ "neuron_runtimes": '
        b'[{"tag_filter": "^//#/\\\\*", "metrics": [{"type": "memory_used"}]}]}',
        "c.json",
    )
    assert config.runtimes[0].tag_filter.pattern == "^//#/\\*"
    with pytest.raises(ConfigError, match=r"line 2, column 8"):
        parse_config(b'/* a */\n{"a" : \x01}', "c.json")


@pytest.mark.parametrize(("name", "compat"), [("2.30", Compat.INF2_2_30), ("guide", Compat.GUIDE)])
def test_the_form_of_another_release(name, compat):
    assert parsed(compat=name, system_metrics=[{"type": "vcpu_usage"}]).compat is compat


def test_an_unknown_release_is_an_error():
    with pytest.raises(ConfigError, match=r"\$\.compat: unknown release '9\.9'.*inf1-2023"):
        parsed(compat="9.9", system_metrics=[{"type": "vcpu_usage"}])
