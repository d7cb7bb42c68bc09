"""The protobuf format, read by the protobuf library and by a Prometheus server with native histograms."""

import itertools
import json
import math
import subprocess
import time
import urllib.parse

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal.decoder import _DecodeVarint32
from hypothesis import given
from hypothesis import strategies as st
from real_prometheus import program
from worlds import BUSY, make_snapshot

from neuron_monitor.prometheus.buckets import NATIVE_SCHEMA, native
from neuron_monitor.prometheus.from_node import NodeFeed
from neuron_monitor.prometheus.page import Page
from neuron_monitor.prometheus.protobuf import histogram_message, varint, zigzag
from neuron_monitor.prometheus.table import INSTANCE_LABELS
from neuron_monitor.prometheus.text import Format
from runtime_core.histogram import bucket_index
from runtime_core.telemetry import Histogram

# Fields that we write, of https://github.com/prometheus/client_model: message -> name, number, type (* repeated).
SCHEMA = {
    "LabelPair": ("name 1 string", "value 2 string"),
    "Timestamp": ("seconds 1 int64", "nanos 2 int32"),
    "Gauge": ("value 1 double",),
    "Counter": ("value 1 double", "created_timestamp 3 Timestamp"),
    "Summary": ("sample_count 1 uint64", "sample_sum 2 double"),
    "Bucket": ("cumulative_count 1 uint64", "upper_bound 2 double"),
    "BucketSpan": ("offset 1 sint32", "length 2 uint32"),
    "Histogram": (
        "sample_count 1 uint64",
        "sample_sum 2 double",
        "bucket 3 *Bucket",
        "schema 5 sint32",
        "zero_threshold 6 double",
        "zero_count 7 uint64",
        "positive_span 12 *BucketSpan",
        "positive_delta 13 *sint64",
        "created_timestamp 15 Timestamp",
    ),
    "Metric": (
        "label 1 *LabelPair",
        "gauge 2 Gauge",
        "counter 3 Counter",
        "summary 4 Summary",
        "histogram 7 Histogram",
    ),
    "MetricFamily": ("name 1 string", "help 2 string", "type 3 int32", "metric 4 *Metric"),
}


def message_classes():
    file = descriptor_pb2.FileDescriptorProto(name="metrics.proto", package="t", syntax="proto2")
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for entry in fields:
            field, number, kind = entry.split()
            label = kinds.LABEL_REPEATED if kind.startswith("*") else kinds.LABEL_OPTIONAL
            kind = kind.removeprefix("*")
            made = message.field.add(name=field, number=int(number), label=label)
            if kind in SCHEMA:
                made.type, made.type_name = kinds.TYPE_MESSAGE, f".t.{kind}"
            else:
                made.type = getattr(kinds, f"TYPE_{kind.upper()}")
                made.options.packed = label == kinds.LABEL_REPEATED
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"t.{name}")) for name in SCHEMA}


MESSAGES = message_classes()


def families(data):
    at = 0
    while at < len(data):
        size, at = _DecodeVarint32(data, at)
        yield MESSAGES["MetricFamily"].FromString(data[at : at + size])
        at += size


@pytest.fixture
def page(looks):
    (look,) = looks(make_snapshot(seconds=1, runtimes=BUSY), make_snapshot(seconds=6, runtimes=BUSY))
    made = Page()
    assert made.available(Format.PROTOBUF) is Format.TEXT
    made.show(NodeFeed().take(look), 0.0)
    assert made.available(Format.PROTOBUF) is Format.PROTOBUF
    return made


def test_the_same_samples_as_in_the_text_format(page, read):
    text = read(b"".join(page.scrape()).decode())
    found = {}
    for family in families(b"".join(page.scrape(Format.PROTOBUF))):
        assert family.help
        for metric in family.metric:
            own = {pair.name: pair.value for pair in metric.label if pair.name not in INSTANCE_LABELS}
            key = tuple(sorted(own.items()))
            if metric.HasField("histogram"):
                buckets = metric.histogram.bucket
                found[f"{family.name}_count", key] = metric.histogram.sample_count
                found[f"{family.name}_sum", key] = metric.histogram.sample_sum
                for bucket in buckets:
                    le = "+Inf" if math.isinf(bucket.upper_bound) else repr(bucket.upper_bound)
                    found[f"{family.name}_bucket", tuple(sorted({**own, "le": le}.items()))] = bucket.cumulative_count
            elif metric.HasField("summary"):
                found[f"{family.name}_count", key] = metric.summary.sample_count
                found[f"{family.name}_sum", key] = metric.summary.sample_sum
            else:
                found[family.name, key] = (metric.counter if metric.HasField("counter") else metric.gauge).value
    expected = {key: value for key, value in text.items() if not key[0].endswith("_created")}
    assert found.keys() == expected.keys()
    steady = {key for key in expected if not key[0].startswith(("process_", "python_", "neuron_monitor_"))}
    assert {key: found[key] for key in steady} == {key: expected[key] for key in steady}


def test_every_series_carries_the_instance_labels_and_counters_their_start(page):
    for family in families(b"".join(page.scrape(Format.PROTOBUF))):
        if family.name.startswith(("process_", "python_", "neuron_monitor_")):
            continue
        for metric in family.metric:
            assert set(INSTANCE_LABELS) <= {pair.name for pair in metric.label}
            if metric.HasField("counter"):
                assert metric.counter.created_timestamp.seconds > 0


def counted(latencies):
    fine = {}
    for latency in latencies:
        fine[bucket_index(latency)] = fine.get(bucket_index(latency), 0) + 1
    return Histogram(dict(sorted(fine.items())), sum(latencies))


@given(st.lists(st.integers(1, 2**40), max_size=60))
def test_native_buckets_hold_what_the_fine_ones_held(latencies):
    message = MESSAGES["Histogram"].FromString(histogram_message(counted(latencies), 1.5))
    index, decoded = 0, {}
    counts = itertools.accumulate(message.positive_delta)
    for span in message.positive_span:
        index += span.offset
        for _ in range(span.length):
            decoded[index] = next(counts)
            index += 1
    assert next(counts, None) is None
    assert sum(decoded.values()) == message.sample_count == len(latencies)
    assert message.schema == NATIVE_SCHEMA
    base = 2 ** (2**-NATIVE_SCHEMA)
    for bucket, count in decoded.items():
        low, high = base ** (bucket - 1) * 1e9, base**bucket * 1e9
        assert count <= sum(low * 0.99 - 1024 <= latency <= high * 1.01 + 1024 for latency in latencies)


def test_a_native_quantile_is_within_five_percent():
    buckets = native(counted([2_000_000] * 10))
    (bucket,) = buckets
    assert (2 ** (2**-NATIVE_SCHEMA)) ** bucket == pytest.approx(0.002, rel=0.05)


@given(st.integers(0, 2**64 - 1))
def test_numbers(number):
    assert _DecodeVarint32(varint(number & 0xFFFFFFFF), 0)[0] == number & 0xFFFFFFFF
    assert {zigzag(0), zigzag(-1), zigzag(1), zigzag(-2)} == {0, 1, 2, 3}


@pytest.mark.e2e
def test_a_prometheus_server_takes_native_histograms(owner, spawn, tmp_path, get, listening, wait, every_group):
    owner(0)
    monitor = spawn("neuron_monitor", "-c", every_group, "--prometheus", "--web.listen-address", "127.0.0.1:0")
    target = f"127.0.0.1:{listening(monitor)}"
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
        f"scrape_configs: [{{job_name: neuron, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    server = subprocess.Popen(
        [program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}",
         "--enable-feature=native-histograms", "--web.listen-address=127.0.0.1:0"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{listening(server)}/api/v1/query?"

        def ask(query):
            status, _, body = get(url + urllib.parse.urlencode({"query": query, "time": time.time()}))
            result = json.loads(body)["data"]["result"] if status == 200 else []
            return [float(found["value"][1]) for found in result]

        wait(lambda: ask("histogram_count(neuron_execution_duration_seconds)"))
        (median,) = wait(lambda: ask("histogram_quantile(0.5, neuron_execution_duration_seconds)"))
        # The owner's executions take 2.1 to 2.5 ms.
        assert 0.0021 < median < 0.0025
        assert ask("execution_status_total{status_type='completed'}")[0] > 0
    finally:
        server.kill()
        server.wait()
