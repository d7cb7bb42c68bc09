"""The configuration file, and error messages with the place."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuron_console.units import parse_period
from neuron_monitor.config import ConfigError, default_config, load_config, parse_config
from neuron_monitor.config_names import RuntimeMetric, SystemMetric


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("500ms", 0.5), ("1m30s", 90), ("1h", 3600), ("1.5s", 1.5), ("2000us", 0.002)],
)
def test_go_durations(text, seconds):
    assert parse_period(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "1", "s", "1x", "1s ", "-1s", "0s", "1ns", "99999h", "1 s"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match=r"expected|out of range"):
        parse_period(text)


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_a_value_error(text):
    try:
        assert parse_period(text) > 0
    except ValueError as error:
        assert str(error)


def parsed(**content):
    return parse_config(json.dumps(content).encode(), "c.json")


def test_the_nearest_period_wins():
    config = parsed(
        period="7s",
        neuron_runtimes=[
            {"period": "3s", "metrics": [{"type": "memory_used"}, {"type": "execution_stats", "period": "1s"}]},
            {"metrics": [{"type": "memory_used"}]},
        ],
        system_metrics=[{"type": "vcpu_usage"}, {"type": "memory_info", "period": "2s"}],
    )
    first, second = config.runtimes
    assert first.periods == {RuntimeMetric.MEMORY_USED: 3, RuntimeMetric.EXECUTION_STATS: 1}
    assert second.periods == {RuntimeMetric.MEMORY_USED: 7}
    assert config.system == {SystemMetric.VCPU_USAGE: 7, SystemMetric.MEMORY_INFO: 2}


def test_the_default_is_everything_every_five_seconds():
    config = default_config()
    assert config.runtimes[0].periods == dict.fromkeys(RuntimeMetric, 5.0)
    assert config.system == dict.fromkeys(SystemMetric, 5.0)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"period": "1x"}, r"\$\.period"),
        ({"neuron_runtimes": [{"metrics": [{"type": "x"}]}]}, r"neuron_runtimes\[0\]\.metrics\[0\]\.type.*memory_used"),
        ({"neuron_runtimes": [{"metrics": [{"type": "memory_used", "period": "0s"}]}]}, r"metrics\[0\]\.period"),
        ({"neuron_runtimes": [{"tag_filter": "("}]}, r"neuron_runtimes\[0\]\.tag_filter"),
        ({"system_metrics": {}}, "array"),
        ({"perod": "1s"}, r"`perod`: expected `period`, `neuron_runtimes`"),
        ({"system_metrics": [{"type": 3}]}, r"\$\.system_metrics\[0\]\.type: expected"),
        ({"period": 5}, r"\$\.period: expected a duration.*got `int`"),
        ({"period": "5s"}, r"\$: expected at least one metric"),
    ],
)
def test_a_broken_file_is_one_line_that_names_file_place_and_expectation(content, says):
    with pytest.raises(ConfigError, match=says) as caught:
        parse_config(json.dumps(content).encode(), "c.json", strict=True)
    assert str(caught.value).startswith("c.json: ")
    assert "\n" not in str(caught.value)


def test_a_syntax_error_names_line_and_column():
    with pytest.raises(ConfigError, match=r"^c\.json: line 2, column 12: expected a JSON object"):
        parse_config(b'{\n "period": x}', "c.json")


def test_the_directory_of_a_file_is_no_file(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


def test_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.json: cannot be read"):
        load_config(tmp_path / "none.json")


@given(st.binary(max_size=60) | st.recursive(st.none() | st.text(max_size=5) | st.integers(),
       lambda s: st.lists(s, max_size=3) | st.dictionaries(st.sampled_from(
           ["period", "neuron_runtimes", "system_metrics", "metrics", "type", "tag_filter"]), s, max_size=3))
       .map(lambda v: json.dumps(v).encode()))  # fmt: skip
def test_any_content_is_a_configuration_or_one_clear_error(content):
    for strict in (False, True):
        try:
            parse_config(content, "c.json", strict=strict)
        except ConfigError as error:
            assert "\n" not in str(error)
