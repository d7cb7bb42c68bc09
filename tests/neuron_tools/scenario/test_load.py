"""A scenario file is read, or refused with the number of the invalid line."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuron_tools.scenario.load import ScenarioError, load_scenario, parse_scenario

GOOD = """scenario: example
instance: inf1.xlarge
duration: 10m
models:
  small: {milliseconds: 5}
applications:
  - tag: web
    cores: "0-1"
    models: [small]
    arrivals: {poisson: 60}
    threads: 2
timeline:
  - at: 1m
    fault: core-hang
    cores: "0"
    for: 2m
expectations:
  - expect: no alert
"""
PATH = Path("/nowhere/example.yaml")


def told(text):
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text.encode(), PATH)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{PATH}:")


def test_a_trace_that_cannot_be_replayed_is_refused(tmp_path):
    (tmp_path / "trace.txt").write_text("0.5\n0.1\n")
    text = GOOD.replace("{poisson: 60}", "{trace: trace.txt}")
    with pytest.raises(ScenarioError, match=r"example.yaml:10: .*trace.txt:2.*'0.1': expected seconds"):
        parse_scenario(text.encode(), tmp_path / "example.yaml")
    (tmp_path / "trace.txt").write_text("0.1\n0.5\n")
    assert parse_scenario(text.encode(), tmp_path / "example.yaml").applications[0].arrivals.trace == "trace.txt"


def test_a_good_one_is_read():
    scenario = parse_scenario(GOOD.encode(), PATH)
    assert scenario.scenario == "example"
    assert scenario.applications[0].arrivals.poisson == 60
    assert scenario.timeline[0].lasting == "2m"
    assert scenario.sample == "15s"


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("no alert", "utilization core 1 > 60", 18, "a utilization is 0 to 1: write 0.6 or 60%"),
        ("duration: 10m", "duration: soon", 3, "duration: expected a duration such as 90s, 1m30s or 6h, not 'soon'"),
        ("duration: 10m", "duration: 10", 3, "duration: expected a duration such as 90s, 1m30s or 6h, not 10"),
        ("duration: 10m", "duration: 3d", 3, "duration: expected a duration such as 90s, 1m30s or 6h, not '3d'"),
        (
            "{milliseconds: 5}",
            "{milliseconds: 1e300x}",
            5,
            "models.small.milliseconds: expected a number more than 0, not",
        ),
        ("  small: {", "  other: {milliseconds: 1}\n  small: {seconds: 1, ", 6, "models.small.seconds: unknown field"),
        ('cores: "0-1"', "cores: 1", 8, 'expected indices such as "0", "0-3" or "1,4-5", not 1'),
        ("core-hang", "core-hung", 14, "timeline[0].fault: expected one of mem-ecc-corrected, "),
        ("timeline:", "timeline: 5\nx:", 12, "timeline: expected a list, not 5"),
        ("- tag: web", "- tog: web", 7, "unknown field `tog`"),
        ("duration: 10m", "duration: 999999999999999999995m", 3, "duration: a period of '9"),
        ("duration: 10m", "duration: 10m\nsample: 5m", 4, "sample: expected 1s or more and less than 5m"),
        ("duration: 10m", "duration: 2m\nsample: 3m", 4, "sample: 3m is longer than the duration"),
        ("    for: 2m", "    for: 99999h", 16, "timeline[0].for: a period of '99999h' is out of range"),
        ("instance: inf1.xlarge", "instance: inf2.xlarge", 2, "inf2.xlarge"),
        ("    threads: 2", "    thread: 2", 11, "unknown field `thread`"),
        ("    threads: 2", "    threads: two", 11, "expected a whole number from 1 up to 10000, not 'two'"),
        ("{poisson: 60}", "{poisson: 0}", 10, "expected a number more than 0 up to 100000, not 0"),
        ("{poisson: 60}", "{poisson: 60, constant: 3}", 10, "expected one of constant, poisson"),
        ("{poisson: 60}", "{trace: none.txt}", 10, "none.txt not found"),
        ("{milliseconds: 5}", "{onnx: none.onnx}", 5, "none.onnx not found"),
        ("{milliseconds: 5}", "{neff: ../secret.neff}", 5, "leads out of the scenario's folder"),
        ("{milliseconds: 5}", "{onnx: /etc/passwd}", 5, "leads out of the scenario's folder"),
        ("{poisson: 60}", '{trace: "../x"}', 10, "leads out of the scenario's folder"),
        ("{milliseconds: 5}", "{}", 5, "expected one of neff, onnx and milliseconds"),
        ("models: [small]", "models: [large]", 9, "no model 'large': there are small"),
        ('cores: "0-1"', 'cores: "2-4"', 8, "no NeuronCore 4"),
        ('cores: "0-1"', 'cores: "3-1"', 8, "is descending"),
        ("fault: core-hang", "fault: gremlin", 14, "driver-missing, not 'gremlin'"),
        ("    fault: core-hang\n", "    fault: slow-core\n", 13, "slow-core: factor is missing"),
        ("    for: 2m", "    kill: web", 13, "expected one of fault, clear, kill, hold"),
        ('    fault: core-hang\n    cores: "0"\n    for: 2m', "    kill: batch", 13, "no application 'batch'"),
        ('    fault: core-hang\n    cores: "0"\n    for: 2m', "    hold: web", 13, "hold requires a duration"),
        ("at: 1m", "at: 11m", 13, "after the scenario's end"),
        ("expect: no alert", "expect: bliss", 18, "unknown expectation: use a form such as"),
        ("expect: no alert", "expect: completed batch > 3", 18, "no application 'batch': there are web"),
        ("expect: no alert", "expect: utilization core 4 > 0.5", 18, "no NeuronCore 4"),
        ("expect: no alert", 'expect: "query sum("', 18, "PromQL"),
        ("scenario: example", "scenario: [", 3, "invalid YAML"),
        ("scenario: example", "scenario: &a example", 1, "anchors, aliases and tags"),
        ("scenario: example", "scenario: example\nscenario: twice", 2, "'scenario' is given twice"),
        ("scenario: example", "scenario: !!python/object:os.system x", 1, "anchors, aliases and tags"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(old, new, line, problem):
    assert old in GOOD
    message = told(GOOD.replace(old, new, 1))
    number, _, rest = message.partition(":")
    assert (int(number), problem in rest) == (line, True), message


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "the file is empty"), (b"\xff\xfe", "not text"), (b"- 1", "expected a mapping with fields, not a list")],
)
def test_other_files_are_refused(content, problem):
    with pytest.raises(ScenarioError, match=problem):
        parse_scenario(content, PATH)


def test_a_file_that_is_not_there_or_too_large(tmp_path):
    with pytest.raises(ScenarioError, match="cannot read"):
        load_scenario(tmp_path / "none.yaml")
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (1 << 21))
    with pytest.raises(ScenarioError, match="1 MiB"):
        load_scenario(large)


@settings(max_examples=200)
@given(st.data())
def test_damaged_files_end_in_a_sentence(data):
    text = GOOD
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 12))
        text = (
            text[:place]
            + data.draw(st.text(st.sampled_from("{}[]:,-&*!|>'\"# \n\tab019.eE"), max_size=6))
            + text[place + cut :]
        )
    try:
        parse_scenario(text.encode(), PATH)
    except ScenarioError as error:
        assert "\n" not in str(error)


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_any_bytes_end_in_a_sentence(content):
    with pytest.raises(ScenarioError):
        parse_scenario(content, PATH)
