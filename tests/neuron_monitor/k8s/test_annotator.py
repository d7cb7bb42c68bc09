"""Annotate a line: every input becomes a report with one more field, or is refused."""

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from neuron_monitor.k8s.pipe import Annotator
from neuron_monitor.k8s.watch import Answer
from runtime_core.telemetry.kubelet.holdings import Holding

HARDWARE = {
    "neuron_device_type": "inferentia",
    "neuron_device_version": "v1",
    "neuroncore_version": "v1",
    "neuron_device_count": 1,
    "neuron_device_memory_size": 1,
    "neuroncore_per_device_count": 4,
    "logical_neuroncore_config": 1,
    "error": "",
}
WEB = Answer(15.0, (Holding("web", "default", "main", "aws.amazon.com/neuroncore", ("0",)),), "")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def annotated(report, answer=WEB):
    return json.loads(Annotator().annotate(json.dumps(report).encode(), answer))


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=4))
def test_fields_that_it_does_not_know_pass_unchanged(more):
    report = {**more, "neuron_hardware_info": HARDWARE}
    got = annotated(report)
    assert list(got)[-1] == "neuron_k8s_info"
    assert {name: value for name, value in got.items() if name != "neuron_k8s_info"} == {
        name: value for name, value in report.items() if name != "neuron_k8s_info"
    }


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_anything_else_is_refused(line):
    try:
        Annotator().annotate(line, WEB)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    raise AssertionError(f"{line!r} was taken for a report")


def test_deep_nesting_is_refused_or_passes():
    for depth in (10, 100_000):
        line = (
            b'{"a":' + b"[" * depth + b"]" * depth + b', "neuron_hardware_info":' + json.dumps(HARDWARE).encode() + b"}"
        )
        try:
            assert Annotator().annotate(line, WEB).count(b"[") >= depth
        except (msgspec.MsgspecError, RecursionError):
            assert depth > 1000


def test_what_an_earlier_companion_added_is_replaced_and_a_changed_answer_is_seen():
    annotator = Annotator()
    line = json.dumps({"neuron_k8s_info": "old", "neuron_hardware_info": HARDWARE}).encode()
    first = json.loads(annotator.annotate(line, WEB))["neuron_k8s_info"]
    assert list(first["neuroncores_k8s_info"]) == ["0"]
    second = json.loads(annotator.annotate(line, WEB._replace(holdings=())))["neuron_k8s_info"]
    assert second == {"period": 15.0, "neuroncores_k8s_info": {}, "neurondevices_k8s_info": {}, "error": ""}
