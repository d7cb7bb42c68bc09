"""Metrics pushed to a collector equal those on the page, with the names of the semantic conventions."""

import json
import signal
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult
from opentelemetry.semconv._incubating.attributes import cloud_attributes, cpu_attributes, host_attributes
from opentelemetry.semconv._incubating.attributes.process_attributes import PROCESS_PID
from opentelemetry.semconv.attributes import error_attributes, service_attributes
from prometheus_client.parser import text_string_to_metric_families as parse
from worlds import BUSY, make_snapshot

from neuron_monitor.otlp.attributes import ATTRIBUTES
from neuron_monitor.otlp.data import resource_of
from neuron_monitor.otlp.endpoint import Endpoint, Protocol, parse_endpoint
from neuron_monitor.otlp.sink import Otlp
from neuron_monitor.prometheus.from_node import NodeFeed
from neuron_monitor.prometheus.page import Page
from neuron_monitor.signals import Signals
from runtime_core.telemetry import UsageError

INSTANCE = {"instance_name", "instance_id", "instance_type", "availability_zone", "region", "subnet_id"}


@pytest.fixture
def signals():
    made = Signals()
    yield made
    made.close()


@pytest.fixture
def look(looks):
    (look,) = looks(make_snapshot(seconds=1, runtimes=BUSY), make_snapshot(seconds=6, runtimes=BUSY))
    return look


@pytest.fixture
def push(signals):
    sinks = []

    def start(url, **options):
        sinks.append(Otlp(url, **options))
        return sinks[-1]

    yield start
    for sink in sinks:
        sink.close()


def test_a_collector_gets_what_the_page_shows(look, signals, push, collector, wait):
    push(collector.url).take(look, signals)
    wait(lambda: collector.requests)
    page = Page()
    page.show(NodeFeed().take(look), time.monotonic())
    families = [f for f in parse(b"".join(page.scrape()).decode()) if not f.name.endswith("_created")]
    shown = {
        (s.name, frozenset((ATTRIBUTES.get(k, k), v) for k, v in s.labels.items() if k not in INSTANCE)): s.value
        for family in families
        for s in family.samples
        if not family.name.startswith(("process_", "python_", "neuron_monitor_")) and family.type != "histogram"
    }
    pushed = {}
    for name, metric in collector.metrics().items():
        if metric.WhichOneof("data") != "histogram":
            for labels, point in collector.points(name):
                value = getattr(point, point.WhichOneof("value"))
                pushed[name, frozenset((key, str(text)) for key, text in labels.items())] = value
    assert pushed == shown
    assert len(pushed) > 100


def test_counters_are_cumulative_from_when_the_runtime_started(look, signals, push, collector, wait):
    push(collector.url).take(look, signals)
    wait(lambda: collector.requests)
    metric = collector.metrics()["execution_status_total"]
    assert (metric.sum.is_monotonic, metric.sum.aggregation_temporality, metric.unit) == (True, 2, "{execution}")
    points = collector.points("execution_status_total")
    assert {labels["runtime_tag"] for labels, _ in points} == {"web", "batch"}
    assert all(0 < point.start_time_unix_nano < point.time_unix_nano for _, point in points)


def test_the_histogram_has_its_buckets_and_no_made_up_extremes(look, signals, push, collector, wait):
    push(collector.url).take(look, signals)
    wait(lambda: collector.requests)
    _, point = collector.points("neuron_execution_duration_seconds")[0]
    assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
    assert sum(point.bucket_counts) == point.count > 0
    assert point.sum > 0
    assert not point.HasField("min")
    assert not point.HasField("max")


def test_names_are_those_of_the_semantic_conventions(look):
    assert ATTRIBUTES == {
        "usage_type": cpu_attributes.CPU_MODE,
        "error_type": error_attributes.ERROR_TYPE,
        "pid": PROCESS_PID,
    }
    resource = dict(resource_of(look.report.instance_info).attributes)
    known = {
        **vars(cloud_attributes), **vars(host_attributes), **vars(service_attributes)
    }  # fmt: skip
    own = {"subnet_id"} | {name for name in resource if name.startswith("telemetry.sdk.")}
    assert resource.keys() - own <= {value for value in known.values() if isinstance(value, str)}
    assert resource["host.type"] == look.report.instance_info.instance_type
    assert resource["cloud.provider"] == cloud_attributes.CloudProviderValues.AWS.value
    assert resource["cloud.platform"] == cloud_attributes.CloudPlatformValues.AWS_EC2.value


class Moody(MetricExporter):
    """A collector that fails with a given error, and can hang until it is released."""

    def __init__(self, results):
        super().__init__()
        self._results = iter(results)
        self.pushed = []

    def export(self, metrics_data, timeout_millis=10_000, **_):
        self.pushed.append(metrics_data)
        result = next(self._results, MetricExportResult.SUCCESS)
        if isinstance(result, Exception):
            raise result
        return result

    def force_flush(self, timeout_millis=10_000):
        return True

    def shutdown(self, timeout_millis=30_000, **_):
        pass


def test_losing_and_finding_the_collector_is_told_once_each(look, signals, push, wait, capfd):
    moody = Moody([MetricExportResult.FAILURE, ValueError("what"), MetricExportResult.SUCCESS])
    sink = push("grpc://127.0.0.1:1", make_exporter=lambda _: moody)
    for count in (1, 2, 3):
        sink.take(look, signals)
        wait(lambda count=count: len(moody.pushed) == count)
    sink.close()
    told = capfd.readouterr().err.splitlines()
    assert [line.split(": ")[2] for line in told] == ["metrics are being lost", "metrics are being pushed again"]


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "c.json"
    metrics = [{"type": "neuroncore_counters"}, {"type": "execution_stats"}]
    system = [{"type": "memory_info"}, {"type": "neuron_hw_counters"}]
    path.write_text(
        json.dumps({"period": "100ms", "neuron_runtimes": [{"metrics": metrics}], "system_metrics": system})
    )
    return path


def completed(collector, tag):
    points = collector.points("execution_status_total")
    return [p.as_int for labels, p in points if labels["runtime_tag"] == tag and labels["status_type"] == "completed"]


def test_the_command_pushes_until_it_is_told_to_stop(owner, spawn, config, collector, wait):
    runtime = owner(0)
    monitor = spawn("neuron_monitor", "-c", config, "--otlp", collector.url)
    before = wait(lambda: completed(collector, "bench0"))
    wait(lambda: completed(collector, "bench0") > before)
    runtime.kill()
    runtime.wait()
    wait(lambda: not completed(collector, "bench0"))
    monitor.send_signal(signal.SIGTERM)
    assert monitor.communicate(timeout=20) == ("", "")
    assert monitor.returncode == 0


def test_without_a_collector_the_lines_go_on(node, spawn, config, tmp_path, wait):
    lines = tmp_path / "lines"
    monitor = spawn("neuron_monitor", "-c", config, "--otlp", "http://127.0.0.1:1", "--output", lines)
    wait(lambda: lines.exists() and lines.read_text().count("\n") > 10)
    monitor.send_signal(signal.SIGTERM)
    out, errors = monitor.communicate(timeout=20)
    assert (monitor.returncode, out) == (0, "")
    assert "Traceback" not in errors
    assert len(errors.splitlines()) <= 1


def test_once_fails_without_a_collector_and_succeeds_with_one(node, command, config, collector):
    done = command("neuron_monitor", "--once", "-c", config, "--otlp", "http://127.0.0.1:1")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert "metrics are being lost" in done.stderr
    done = command("neuron_monitor", "--once", "-c", config, "--otlp", collector.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("text", "environment", "endpoint"),
    [
        ("grpc://c:4317", {}, Endpoint(Protocol.GRPC, "http://c:4317", True)),
        ("grpcs://c:443", {}, Endpoint(Protocol.GRPC, "https://c:443", False)),
        ("http://c:4317", {}, Endpoint(Protocol.GRPC, "http://c:4317", True)),
        ("http://c:4318", {}, Endpoint(Protocol.HTTP, "http://c:4318/v1/metrics", True)),
        ("https://c/otlp/m", {}, Endpoint(Protocol.HTTP, "https://c/otlp/m", False)),
        ("http://[::1]:4318/", {}, Endpoint(Protocol.HTTP, "http://[::1]:4318/v1/metrics", True)),
        ("http://c:9", {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, Endpoint(Protocol.GRPC, "http://c:9", True)),
        (
            "http://c:4317",
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
            Endpoint(Protocol.HTTP, "http://c:4317/v1/metrics", True),
        ),
    ],
)
def test_endpoints(text, environment, endpoint):
    assert parse_endpoint(text, environment) == endpoint


@pytest.mark.parametrize("text", ["", "c:4317", "ftp://c", "http://", "http://c:x", "http://c:99999", "http://[x"])
def test_what_is_no_endpoint(text):
    with pytest.raises(UsageError, match=r"not an OTLP endpoint"):
        parse_endpoint(text, {})


def test_a_protocol_that_there_is_not():
    with pytest.raises(UsageError, match=r"use grpc or http/protobuf"):
        parse_endpoint("http://c:4318", {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"})


@given(st.text(max_size=40))
def test_any_text_is_an_endpoint_or_a_usage_error(text):
    try:
        assert parse_endpoint(text, {}).url
    except UsageError:
        return
