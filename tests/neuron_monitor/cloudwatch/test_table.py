"""The part of a report that is sent to CloudWatch."""

import re
from pathlib import Path

import msgspec
import pytest
from worlds import BUSY, make_runtime, make_snapshot

from neuron_monitor.cloudwatch.table import METRICS, figures
from neuron_monitor.reading import ReportReader
from neuron_monitor.report import Report


@pytest.fixture
def sent(reports):
    def of(*snapshots):
        (report,) = reports(*snapshots)
        found = list(figures(ReportReader(lambda _: None).read(msgspec.json.encode(report))))
        values = {(f.name, f.dimensions): f.value for f in found}
        assert len(values) == len(found), "a series came twice"
        return values

    return of


INSTANCE = ("InstanceId", "i-0123456789abcdef0")


def test_a_busy_nodes_figures_are_sent_as_percent_and_as_counts_of_the_period(sent):
    values = sent(make_snapshot(seconds=1, runtimes=BUSY), make_snapshot(seconds=6, runtimes=BUSY))
    web = ("RuntimeTag", "web")
    assert values["neuroncore_utilization", (INSTANCE, ("NeuronCore", "1"), web)] == 50.0
    assert values["neuroncore_flops", (INSTANCE, ("NeuronCore", "1"), web)] == 4 * 10**12
    assert values["execution_status", (INSTANCE, ("StatusType", "completed"), web)] == 500
    assert values["execution_errors", (INSTANCE, ("ErrorType", "hardware"), web)] == 0
    assert values["execution_latency_seconds", (INSTANCE, ("Percentile", "p99"), web)] == pytest.approx(0.002, rel=0.01)
    assert values["neuron_runtime_vcpu_usage", (INSTANCE, ("UsageType", "user"), web)] == 5.0
    assert values["neuron_runtime_memory_used_bytes", (INSTANCE, ("MemoryLocation", "neuron_device"), web)] > 0
    ecc = (INSTANCE, ("EventType", "mem_ecc_corrected"), ("NeuronDeviceIndex", "3"))
    assert values["hardware_ecc_events", ecc] == 0
    assert values["system_vcpu_usage", (INSTANCE, ("UsageType", "user"))] == 50.0
    assert values["system_memory_total_bytes", (INSTANCE,)] == 16 << 30


def test_what_is_not_available_is_not_sent(sent):
    broken = make_runtime(6, 101, (0,), "web", error="torn page")._replace(total_latency=None, device_latency=None)
    values = sent(
        make_snapshot(seconds=1, runtimes=BUSY, host=False),
        make_snapshot(seconds=6, runtimes=(broken,), host=False),
    )
    assert not {name for name, _ in values if name.startswith(("system_", "execution_"))}


def test_the_documentation_lists_every_metric_with_its_unit_and_dimensions(reports):
    (report,) = reports(make_snapshot(seconds=1, runtimes=BUSY), make_snapshot(seconds=6, runtimes=BUSY))
    sent = {
        (f.name, str(f.unit), ", ".join(name for name, _ in f.dimensions[1:]))
        for f in figures(msgspec.convert(report, Report))
    }
    text = (Path(__file__).parents[3] / "docs/how-to/cloudwatch.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| ([\w/]+) \| (?:(.+) )?\|$", text, re.MULTILINE)
    assert set(listed) == sent
    assert len(sent) == len(METRICS)
