"""Metrics as scrapers read them: the contract's names and labels, correct values, counters that never decrease."""

import json
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as parse
from worlds import BUSY, SECOND, histogram, make_runtime, make_snapshot

from neuron_monitor import report as out
from neuron_monitor.collector import Collector
from neuron_monitor.config import default_config, parse_config
from neuron_monitor.groups import hardware_info, instance_info
from neuron_monitor.prometheus import table
from neuron_monitor.prometheus.buckets import BOUNDS_NS, fold
from neuron_monitor.prometheus.from_node import NodeFeed
from neuron_monitor.prometheus.from_stream import StreamFeed
from neuron_monitor.prometheus.page import Page
from neuron_monitor.prometheus.seen import Counters, NodeSeen, RuntimeSeen
from neuron_monitor.prometheus.text import Renderer
from neuron_monitor.prometheus.totals import Totals
from neuron_monitor.report import CoreUser
from runtime_core.histogram import Histogram, bucket_index

CONTRACT = {
    "neuroncore_utilization_ratio": ("gauge", {"runtime_tag", "neuroncore"}),
    **{
        f"neuroncore_memory_usage_{category}": ("gauge", {"runtime_tag", "neuroncore", "memory_location"})
        for category in ("constants", "model_code", "model_shared_scratchpad", "runtime_memory", "tensors")
    },
    "neuron_runtime_memory_used_bytes": ("gauge", {"runtime_tag", "memory_location"}),
    "neuron_runtime_vcpu_usage_ratio": ("gauge", {"runtime_tag", "usage_type"}),
    "execution_errors_total": ("counter", {"runtime_tag", "error_type"}),
    "execution_status_total": ("counter", {"runtime_tag", "status_type"}),
    "execution_latency_seconds": ("gauge", {"runtime_tag", "percentile"}),
    "hardware_ecc_events_total": ("counter", {"event_type", "neuron_device_index"}),
    "system_memory_total_bytes": ("gauge", set()),
    "system_memory_used_bytes": ("gauge", set()),
    "system_swap_total_bytes": ("gauge", set()),
    "system_swap_used_bytes": ("gauge", set()),
    "system_vcpu_count": ("gauge", set()),
    "system_vcpu_usage_ratio": ("gauge", {"usage_type"}),
    "instance_info": ("gauge", set()),
    "neuron_hardware_info": (
        "gauge",
        {"neuron_device_count", "neuron_device_memory_size", "neuroncore_per_device_count"},
    ),
}


def world(seconds, runtimes=BUSY):
    return make_snapshot(seconds=seconds, runtimes=runtimes)


def completed(page):
    return page.one("execution_status_total", runtime_tag="web", status_type="completed")


def daemon(seconds, pid, tag, cores=(0,), **changes):
    return make_runtime(seconds, pid, cores, tag)._replace(**changes)


@pytest.fixture
def pages(looks, shown):
    """The page after each snapshot of the node."""

    def made(*snapshots, **options):
        feed = NodeFeed()
        return [shown(feed.take(look)) for look in looks(*snapshots, **options)]

    return made


@pytest.fixture
def piped(reports, shown):
    """The page after each line of the stream."""

    def made(*snapshots, **options):
        clock = iter(range(0, 1000, 5))
        feed = StreamFeed(lambda: next(clock))
        return [shown(feed.take_line(json.dumps(r).encode())) for r in reports(*snapshots, **options)]

    return made


@pytest.fixture(params=["pages", "piped"])
def either(request):
    """Both formats must show the same values."""
    return request.getfixturevalue(request.param)


def test_names_types_and_labels_are_those_of_the_contract(looks):
    (look,) = looks(world(1), world(6))
    page = Page()
    page.show(NodeFeed().take(look), 0.0)
    kinds = {}
    labels = {}
    for line in b"".join(page.scrape()).decode().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            kinds[name] = kind
        elif not line.startswith("#") and "{" in line:
            name, rest = line.split("{", 1)
            labels.setdefault(name, {pair.split("=")[0] for pair in rest.rsplit("}", 1)[0].split(",")})
    for name, (kind, own) in CONTRACT.items():
        assert kinds[name] == kind
        assert labels[name] == own | set(table.INSTANCE_LABELS), name


def test_every_row_of_the_table_makes_a_series_on_a_busy_node(looks):
    (look,) = looks(world(1), world(6))
    page = Page()
    page.show(NodeFeed().take(look)._replace(pods={0: CoreUser("web", "default", ["main"])}, jobs={0: "42"}), 0.0)
    text = b"".join(page.scrape()).decode()
    rows = (*table.INHERITED_RUNTIME, *table.INHERITED_NODE, *table.OWN_RUNTIME, *table.OWN_NODE)
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        assert f"# TYPE {row.name} {row.kind}\n" in text
        assert row.help in text


def test_values_of_the_last_period(either):
    (page,) = either(world(1), world(6))
    assert page.one("neuroncore_utilization_ratio", runtime_tag="web", neuroncore="1") == 0.5
    assert page.one("neuron_runtime_vcpu_usage_ratio", runtime_tag="web", usage_type="user") == pytest.approx(0.05)
    assert page.one("execution_latency_seconds", runtime_tag="web", percentile="p50") == pytest.approx(0.002, rel=0.01)
    assert page.one("neuroncore_memory_usage_constants", neuroncore="4", memory_location="None") == 40 << 20
    assert page.one("system_vcpu_count") == 4
    assert page.one("system_vcpu_usage_ratio", usage_type="system") == pytest.approx(0.1)
    assert page.one("neuron_hardware_info", neuron_device_count="4") == 1
    owner = page.one("neuroncore_owner_info", neuroncore="4", runtime_tag="batch", pid="102", neuron_device_index="1")
    assert owner == 1


def test_the_node_itself_tells_all_that_a_runtime_ever_counted(pages):
    (page,) = pages(world(1), world(6))
    assert page.one("execution_status_total", runtime_tag="web", status_type="completed") == 600
    assert page.one("execution_errors_total", runtime_tag="web", error_type="generic") == 2
    assert page.one("neuron_execution_duration_seconds_count", runtime_tag="web") == 600
    assert page.one("neuron_execution_duration_seconds_sum", runtime_tag="web") == pytest.approx(1.2)
    assert page.one("neuron_execution_duration_seconds_bucket", runtime_tag="web", le="0.002") == 0
    assert page.one("neuron_execution_duration_seconds_bucket", runtime_tag="web", le="0.003") == 600
    assert page.one("neuron_execution_duration_seconds_bucket", runtime_tag="web", le="+Inf") == 600
    assert page.one("hardware_ecc_events_total", neuron_device_index="0", event_type="mem_ecc_corrected") == 1
    assert page.one("neuron_device_memory_total_bytes", neuron_device_index="0") == 8 << 30


def test_the_stream_is_added_up(piped):
    first, second = piped(world(1), world(6), world(11))
    assert first.one("execution_status_total", runtime_tag="web", status_type="completed") == 500
    assert second.one("execution_status_total", runtime_tag="web", status_type="completed") == 1000


def test_series_of_a_runtime_that_ended_are_gone_at_the_next_report(either):
    first, second = either(world(1), world(6), world(11, BUSY[1:]))
    assert first.only("execution_status_total", runtime_tag="web")
    assert [key for key in second if ("runtime_tag", "web") in key[1]] == []
    assert second.only("execution_status_total", runtime_tag="batch")


def test_all_may_end(either):
    first, second = either(world(1), world(6), world(11, ()))
    assert first.only("execution_status_total")
    assert second.only("execution_status_total") == []
    assert second.one("system_vcpu_count") == 4


def test_runtimes_of_one_tag_make_one_series_that_never_goes_back(either):
    def two(seconds, *pids):
        return make_snapshot(seconds=seconds, runtimes=[daemon(seconds, pid, "web", cores=(pid,)) for pid in pids])

    first, second, third = either(two(1, 1, 2), two(6, 1, 2), two(11, 2), two(16, 2))
    counts = [
        p.one("execution_status_total", runtime_tag="web", status_type="completed") for p in (first, second, third)
    ]
    assert counts == sorted(counts)
    assert counts[1] < counts[2]
    assert first.one("neuron_runtime_memory_used_bytes", memory_location="neuron_device") == 2 * 52 * (1 << 20)
    assert second.one("neuron_runtime_memory_used_bytes", memory_location="neuron_device") == 52 * (1 << 20)


def test_a_runtime_that_came_back_with_its_tag_is_a_new_series(either):
    def world_with(seconds, pid, age):
        runtime = daemon(age, pid, "web", time_ns=int(seconds * SECOND), start_ns=int((seconds - age) * SECOND))
        return make_snapshot(seconds=seconds, runtimes=(runtime,))

    first, second = either(world_with(101, 1, 100), world_with(106, 1, 105), world_with(111, 2, 2))
    assert first.one("execution_status_total", status_type="completed") in (500, 10_500)
    assert second.one("execution_status_total", status_type="completed") == 200
    began = [p.one("execution_status_created", status_type="completed") for p in (first, second)]
    assert began[1] > began[0]


def test_what_is_not_known_makes_no_series(either):
    def blind(seconds):
        runtime = daemon(
            seconds, 7, "t", executions=None, errors=None, total_latency=None, device_latency=None, cpu=None
        )
        return make_snapshot(seconds=seconds, runtimes=(runtime,), host=False)

    (page,) = either(blind(1), blind(6))
    assert not {"execution_status_total", "execution_errors_total", "execution_latency_seconds"} & page.names()
    assert not {"neuron_runtime_vcpu_usage_ratio", "system_vcpu_count", "system_memory_used_bytes"} & page.names()
    assert page.one("neuroncore_utilization_ratio", runtime_tag="t") == 0.5


def test_a_runtime_that_cannot_be_read_keeps_its_counters_and_shows_no_gauges(either):
    def at(seconds, error=""):
        return make_snapshot(seconds=seconds, runtimes=(make_runtime(seconds, 7, (2,), "t", error=error),))

    before, stuck, after = either(at(1), at(6), at(11, "stands still"), at(16))
    assert [p.one("neuron_runtime_readable", runtime_tag="t") for p in (before, stuck, after)] == [1, 0, 1]
    assert stuck.only("neuroncore_utilization_ratio") == []
    counts = [p.one("execution_status_total", status_type="completed") for p in (before, stuck, after)]
    assert counts[0] == counts[1] == counts[2] - 1000


def test_a_node_that_cannot_be_read_says_so_and_no_counter_goes_back(either):
    before, away, after = either(world(1), world(6), None, world(16))
    assert [p.one("neuron_node_readable") for p in (before, away, after)] == [1, 0, 1]
    counts = [
        p.one("execution_status_total", runtime_tag="web", status_type="completed") for p in (before, away, after)
    ]
    assert counts[0] == counts[1] == counts[2] - 1000
    assert away.only("neuroncore_utilization_ratio") == []


MIXED = {
    "neuron_runtimes": [{"metrics": [{"type": "execution_stats", "period": "10s"}, {"type": "neuroncore_counters"}]}],
    "system_metrics": [{"type": "memory_info", "period": "5s"}],
}


def test_groups_that_are_not_due_stay_as_they_were(either):
    config = parse_config(json.dumps(MIXED).encode(), "c")
    pages = either(*[world(s) for s in (1, 6, 11, 16)], config=config)
    assert pages[0].only("execution_latency_seconds") == []
    assert all(page.only("neuroncore_utilization_ratio", runtime_tag="web") for page in pages)
    assert all(page.only("execution_latency_seconds", runtime_tag="web") for page in pages[1:])
    assert pages[2].only("system_vcpu_usage_ratio") == []


@settings(max_examples=50)
@given(st.text(max_size=20))
def test_any_tag_comes_back_as_it_was(tag):
    runtime = make_runtime(6, 7, (2,), tag)
    groups = out.RuntimeReport()
    snapshot = make_snapshot(seconds=6, runtimes=(runtime,))
    seen = RuntimeSeen(runtime.key, tag, 0.0, groups, Counters(errors=tuple(range(6))), "")
    node = NodeSeen(instance_info(snapshot), hardware_info(snapshot), (seen,), None, None, {}, 0.0, (), {}, 0.0, "")
    page = Page()
    page.show(node, 0.0)
    encodable = tag.encode("utf-8", "replace").decode()
    tags = {
        s.labels["runtime_tag"]
        for f in parse(b"".join(page.scrape()).decode())
        for s in f.samples
        if "runtime_tag" in s.labels
    }
    assert tags == {encodable}


@given(st.lists(st.integers(0, 2 * BOUNDS_NS[-1]), max_size=50))
def test_classic_buckets_hold_what_the_fine_ones_held(latencies):
    fine = {}
    for latency in latencies:
        fine[bucket_index(latency)] = fine.get(bucket_index(latency), 0) + 1
    counts, sum_ns = fold(Histogram(dict(sorted(fine.items())), sum(latencies)))
    assert (sum(counts), sum_ns) == (len(latencies), sum(latencies))
    below = 0
    for count, bound in zip(counts, BOUNDS_NS):
        below += count
        assert sum(n < bound / 1.008 for n in latencies) <= below <= sum(n <= bound for n in latencies)


def test_churn_leaves_nothing_behind(looks):
    feed, totals, renderer = NodeFeed(), Totals(), Renderer()
    worlds = [
        make_snapshot(seconds=n + 1, runtimes=[daemon(n + 1, 1000 + n, f"job{n}", (n % 16,))]) for n in range(300)
    ]
    config = parse_config(json.dumps({"period": "1s", "neuron_runtimes": [
        {"metrics": [{"type": "execution_stats"}, {"type": "neuroncore_counters"}]}]}).encode(), "c")  # fmt: skip
    sizes = []
    for look in looks(*worlds, config=config, times=[n * SECOND for n in range(1, 300)]):
        node = feed.take(look)
        renderer.families(node, totals.update(node.runtimes))
        sizes.append(sum(len(made) for of_tag in renderer._made.values() for made in of_tag.values()))
    assert len(totals._tags) == len(feed._groups) == 1
    assert max(sizes) == min(sizes)


def test_a_histogram_of_two_runtimes_is_their_sum(pages):
    def two(seconds):
        fast = daemon(seconds, 1, "web", (0,), total_latency=histogram(100, 1_000_000))
        slow = daemon(seconds, 2, "web", (1,), total_latency=histogram(10, 80_000_000))
        return make_snapshot(seconds=seconds, runtimes=(fast, slow))

    (page,) = pages(two(1), two(6))
    assert page.one("neuron_execution_duration_seconds_bucket", le="0.0015") == 100
    assert page.one("neuron_execution_duration_seconds_bucket", le="0.1") == 110


def test_the_default_stream_fits_the_decoder(reports):
    (report,) = reports(world(1), world(6), config=default_config())
    report["something_new"] = {"from": "a later version"}
    msgspec.json.decode(json.dumps(report).encode(), type=out.Report)


def test_pods_that_a_companion_added_are_shown_until_it_says_otherwise(reports, shown):
    (report,) = reports(world(1), world(6))
    feed = StreamFeed()

    def page(**users):
        added = {"period": 15.0, "neuroncores_k8s_info": users, "neurondevices_k8s_info": {}, "error": ""}
        return shown(feed.take_line(json.dumps({**report, "neuron_k8s_info": added}).encode()))

    used = {"pod_name": "web", "namespace": "shop", "container_name": ["a", "b"]}
    samples = page(**{"5": used})
    place = {"neuroncore": "5", "neuron_device_index": "1", "pod_namespace": "shop", "pod_name": "web"}
    assert samples.one("neuroncore_pod_info", container_name="a", **place) == 1
    assert samples.one("neuroncore_pod_info", container_name="b", **place) == 1
    assert not page().only("neuroncore_pod_info")


def test_groups_that_a_new_configuration_lacks_leave_the_page(replay, shown):
    both = [daemon(s, 7, "web") for s in range(1, 40, 5)], [daemon(s, 8, "batch", (1,)) for s in range(1, 40, 5)]
    snapshots = [world(s, pair) for s, *pair in zip(range(1, 40, 5), *both, strict=True)]
    collector, feed = Collector(replay(*snapshots[:4], None, snapshots[4]), default_config(), 0), NodeFeed()
    page = shown(feed.take(collector.collect(5 * SECOND)))
    assert {"system_vcpu_count", "system_memory_total_bytes", "hardware_ecc_events_total"} <= page.names()
    assert len(page.only("execution_status_total", status_type="completed")) == 2
    fewer = {
        "period": "5s",
        "neuron_runtimes": [{"tag_filter": "web", "metrics": [{"type": "execution_stats"}]}],
        "system_metrics": [{"type": "memory_info"}],
    }
    collector.reconfigure(parse_config(json.dumps(fewer).encode(), "monitor.json"), 5 * SECOND)
    for now_ns in (10 * SECOND, 15 * SECOND):
        page = shown(feed.take(collector.collect(now_ns)))
        assert page.one("execution_status_total", status_type="completed")
        assert "system_memory_total_bytes" in page.names()
        gone = {"system_vcpu_count", "hardware_ecc_events_total", "neuroncore_utilization_ratio"}
        assert not page.names() & gone
    # A node that cannot be read when the configuration changes again.
    collector.reconfigure(parse_config(b'{"system_metrics": [{"type": "vcpu_usage"}]}', "monitor.json"), 15 * SECOND)
    feed.take(collector.collect(20 * SECOND))
    page = shown(feed.take(collector.collect(25 * SECOND)))
    assert not page.names() & {"execution_status_total", "system_memory_total_bytes"}
    assert "system_vcpu_count" in page.names()


def test_counters_of_a_node_that_was_set_up_anew_say_so(pages):
    def node(seconds, corrected):
        snapshot = world(seconds)
        first, *others = snapshot.devices
        counted = replace(first, ecc=first.ecc._replace(mem_ecc_corrected=corrected))
        return snapshot._replace(devices=(counted, *others))

    began = [
        page.one("hardware_ecc_events_created", event_type="mem_ecc_corrected", neuron_device_index="0")
        for page in pages(node(1, 7), node(6, 7), node(11, 8), node(16, 0))
    ]
    assert began[0] == began[1] < began[2]
