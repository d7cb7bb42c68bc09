"""Lines from real machines, processed by all readers of the stream.

``UPDATE_GOLDEN=1`` rewrites the expected output.
"""

import json
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuron_monitor.cloudwatch.table import figures
from neuron_monitor.k8s.pipe import Annotator
from neuron_monitor.k8s.watch import Answer
from neuron_monitor.prometheus.from_stream import StreamFeed
from neuron_monitor.prometheus.page import Page
from neuron_monitor.reading import Problem, ReportReader
from runtime_core.telemetry.kubelet.holdings import Holding

HERE = Path(__file__).parent
STREAMS = sorted(HERE.joinpath("streams").glob("*.ndjson"))
OURS = ("neuron_monitor_", "process_", "python_")


def metrics_of(lines):
    """The series of the page after all lines, without the instance labels."""
    page, feed = Page(), StreamFeed()
    for line in lines:
        page.show(feed.take_line(line), 0.0)
    text = b"".join(page.scrape()).decode()
    return sorted(
        line.replace(line[line.find("instance_name") : line.find('"', line.find("subnet_id=") + 11) + 1], "").replace(
            "{,", "{"
        )
        for line in text.splitlines()
        if not line.startswith(("#", *OURS)) and "_created" not in line
    )


def figures_of(lines):
    reader = ReportReader(lambda _: None)
    found = [figure for line in lines for figure in figures(reader.read(line))]
    return [f"{f.name} {f.unit} {dict(f.dimensions[1:])} {f.value}" for f in found]


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_every_companion_serves_what_is_there_and_leaves_out_what_is_not(path):
    lines = path.read_bytes().splitlines()
    text = "\n".join(["# Prometheus", *metrics_of(lines), "# CloudWatch", *figures_of(lines), ""])
    golden = HERE / "golden" / f"{path.stem}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_the_annotator_passes_every_key_on(path):
    pods = Answer(15.0, (Holding("web", "default", "main", "aws.amazon.com/neuron", ("0",)),), "")
    for line in path.read_bytes().splitlines():
        told = {**json.loads(line), "new_in_2031": [1, None]}
        got = json.loads(Annotator().annotate(json.dumps(told).encode(), pods))
        users = got.pop("neuron_k8s_info")
        assert got == told
        assert users["error"] == ""
        assert set(users["neuroncores_k8s_info"]) == {"0", "1", "2", "3"} or "inf2" in path.stem


def test_what_is_missing_is_never_zero_and_is_said_once(capsys):
    told = []
    reader = ReportReader(told.append)
    line = b'{"neuron_runtime_data":[{"pid":7,"report":{"neuroncore_counters":{"neuroncores_in_use":{"0":{}}}}}]}'
    for _ in range(3):
        (runtime,) = reader.read(line).neuron_runtime_data
    core = runtime.report.neuroncore_counters.neuroncores_in_use["0"]
    assert (core.neuroncore_utilization, core.flops) == (None, None)
    assert len(told) == 1
    assert "neuroncores_in_use.neuroncore_utilization" in told[0]
    assert reader.problems[Problem.MISSING] > 3
    assert not any("neuroncore_utilization" in series for series in metrics_of([line]))


@pytest.mark.parametrize(
    ("given_value", "taken"),
    [(12.0, 12), (12, 12), (True, None), ("12", None), (-1, None), ([], None), (None, None), (1e300, 10**300 // 1)],
)
def test_numbers_of_other_encoders(given_value, taken):
    line = {"system_data": {"memory_info": {"memory_used_bytes": given_value}}}
    found = ReportReader(lambda _: None).read(json.dumps(line).encode()).system_data.memory_info.memory_used_bytes
    assert found == taken or (given_value == 1e300 and found == int(1e300))


def test_null_lists_and_groups_are_nothing():
    line = {"neuron_runtime_data": None, "system_data": {"neuron_hw_counters": {"neuron_devices": None}}}
    report = ReportReader(lambda _: None).read(json.dumps(line).encode())
    assert report.neuron_runtime_data == []
    assert report.system_data.neuron_hw_counters.neuron_devices == []


def test_a_group_that_reports_an_error_has_no_counts_of_zero():
    group = {"period": 5.0, "vcpu_usage": {"user": 0, "system": 0}, "error": "open /proc/7/stat: no such file"}
    line = {"neuron_runtime_data": [{"pid": 7, "report": {"neuron_runtime_vcpu_usage": group}}]}
    (runtime,) = ReportReader(lambda _: None).read(json.dumps(line).encode()).neuron_runtime_data
    assert runtime.report.neuron_runtime_vcpu_usage.vcpu_usage.user is None


def test_processes_that_list_every_core_do_not_all_own_them():
    def runtime(pid, busy):
        cores = {str(core): {"neuroncore_utilization": 50 if core == busy else 0} for core in range(4)}
        return {"pid": pid, "report": {"neuroncore_counters": {"period": 1, "neuroncores_in_use": cores}}}

    line = json.dumps({"neuron_runtime_data": [runtime(7, 0), runtime(8, 3)]}).encode()
    owners = {line.split("pid=")[1] for line in metrics_of([line]) if line.startswith("neuroncore_owner_info")}
    assert owners == {'"7"} 1', '"8"} 1'}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["0", "period", "error"]), inner),
    max_leaves=6,
)


def _mutations(value):
    """The value with one part replaced by any value, or omitted."""
    if isinstance(value, dict) and value:
        return st.sampled_from(sorted(value)).flatmap(
            lambda key: (
                JSON.map(lambda other: {**value, key: other})
                | st.just({k: v for k, v in value.items() if k != key})
                | _mutations(value[key]).map(lambda inner: {**value, key: inner})
            )
        )
    if isinstance(value, list) and value:
        return JSON.map(lambda other: [other, *value[1:]]) | _mutations(value[0]).map(lambda v: [v, *value[1:]])
    return JSON


@settings(max_examples=150)
@given(st.data())
def test_any_part_of_a_line_may_be_anything(data):
    path = data.draw(st.sampled_from(STREAMS))
    value = data.draw(_mutations(json.loads(path.read_bytes().splitlines()[0])))
    try:
        line = msgspec.json.encode(value)
        metrics_of([line])
        figures_of([line])
    except (msgspec.MsgspecError, UnicodeEncodeError):
        assert not isinstance(value, dict) or not value.keys() & {"system_data", "instance_info"}
