"""The report and the summary of a virtual node say what its page says."""

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from neuron_monitor.reading import ReportReader
from neuron_tools.fleet.api import NodeApi
from neuron_tools.fleet.node import Nodes
from neuron_tools.fleet.schema import load_fleet
from neuron_tools.fleet.timeline import FOREVER_NS, Fault
from neuron_tools.scenario.schema import EventSpec
from neuron_top.remote.summary import SummaryReader, read_summary

SECOND_NS = 10**9
FLEET = """
fleet: example
seed: 7
models:
  small: {milliseconds: 10}
groups:
  - name: web
    count: 2
    instance: inf1.xlarge
    zone: eu-west-1a
    applications:
      - {tag: web, cores: "0-1", models: [small], arrivals: {poisson: 60}, threads: 2}
      - {tag: batch, cores: "3", models: [small], arrivals: {constant: 20}}
"""


@pytest.fixture
def nodes(tmp_path):
    (tmp_path / "fleet.yaml").write_text(FLEET)
    return Nodes(load_fleet(tmp_path / "fleet.yaml"), tmp_path)


def samples(page, name):
    return [
        (sample.labels, sample.value)
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == name
    ]


@pytest.mark.parametrize("reduced", [False, True])
def test_the_summary_has_the_figures_of_the_page(tmp_path, reduced):
    (tmp_path / "fleet.yaml").write_text(FLEET)
    node = Nodes(load_fleet(tmp_path / "fleet.yaml"), tmp_path, reduced=reduced).by_name["web-0001"]
    at_ns, api = 100 * SECOND_NS, NodeApi()
    page, found = node.page(at_ns), json.loads(api.summary(node, at_ns, 1000.0))
    executions = samples(page, "execution_status_total")
    assert found["executions_total"] == sum(value for _, value in executions) > 7000
    busy = {int(labels["neuroncore"]): value for labels, value in samples(page, "neuroncore_utilization_ratio")}
    assert found["neuroncore_utilization_ratio"] == pytest.approx([busy[0], busy[1], 0.0, busy[3]], abs=1e-4)
    assert found["instance_info"]["instance_name"] == "web-0001"
    assert found["instance_info"]["instance_id"] in node.labels
    assert found["neuron_device_memory_used_bytes"] == samples(page, "neuron_device_memory_used_bytes")[0][1] > 0
    assert (found["time_unix_seconds"], found["neuroncore_owned_count"]) == (1100.0, 3)
    later = json.loads(api.summary(node, at_ns + 10 * SECOND_NS, 1000.0))
    reader = SummaryReader("web-0001", str)
    reader.row(read_summary(json.dumps(found).encode()), 0, 1.0)
    row = reader.row(read_summary(json.dumps(later).encode()), 0, 2.0)
    assert row.executions_per_second == pytest.approx(80, rel=0.2)
    assert (row.state, row.zone, row.instance_type) == ("ok", "eu-west-1a", "inf1.xlarge")


def test_the_report_is_about_the_last_five_seconds(nodes):
    node, at_ns = nodes.by_name["web-0000"], 100 * SECOND_NS
    before, after = node.page(at_ns - 5 * SECOND_NS), node.page(at_ns)
    api = NodeApi()
    line = api.report(node, at_ns)
    report = ReportReader(pytest.fail).read(line)
    assert report.instance_info.instance_name == "web-0000"
    grown = {
        (labels["runtime_tag"], labels["status_type"]): value - old
        for (labels, value), (_, old) in zip(
            samples(after, "execution_status_total"), samples(before, "execution_status_total"), strict=True
        )
    }
    assert len(report.neuron_runtime_data) == 2
    for entry in report.neuron_runtime_data:
        summary = entry.report.execution_stats.execution_summary
        assert summary.completed == grown[entry.neuron_runtime_tag, "completed"] > 0
        assert entry.report.execution_stats.period == 5
        cores = entry.report.neuroncore_counters.neuroncores_in_use
        for labels, value in samples(after, "neuroncore_utilization_ratio"):
            if labels["runtime_tag"] == entry.neuron_runtime_tag:
                assert cores[labels["neuroncore"]].neuroncore_utilization == pytest.approx(100 * value)
    assert api.report(node, at_ns) == line, "the state's report stays as it is"


def test_a_fault_is_a_problem_of_the_summary(nodes):
    node = nodes.by_name["web-0000"]
    node.faults = (Fault(50 * SECOND_NS, FOREVER_NS, EventSpec("0s", fault="core-hang", cores="3")),)
    api = NodeApi()
    assert json.loads(api.summary(node, 49 * SECOND_NS, 0.0))["problems"] == []
    (problem, *_) = json.loads(api.summary(node, 100 * SECOND_NS, 0.0))["problems"]
    assert problem["severity"] == "critical"
    assert "nc3" in problem["text"]
