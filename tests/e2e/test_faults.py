"""Every fault in a running application: status, log line, monitor field, Prometheus series, and recovery."""

import contextlib
import time
from typing import NamedTuple

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from small_models import small_neff

from neuron_monitor.collector import Collector
from neuron_monitor.config import default_config
from neuron_monitor.prometheus.from_node import NodeFeed
from neuron_monitor.prometheus.page import Page
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.faults import slots as faults
from runtime_core.driver.faults.spec import FaultSpec
from runtime_core.driver.faults.table import FAULTS, ErrorClass, FaultKind, Side
from runtime_core.nrt import NrtError, NrtStatus, Runtime, TensorPlacement
from runtime_core.telemetry import NodeError, open_source

TAG = "app"
INPUT = np.ones((1, 64), np.float32)
TIMEOUT_SECONDS = 0.05


class Seen(NamedTuple):
    """What the operator's tools showed for a span of time."""

    completed: int
    outcomes: dict
    errors: dict
    ecc: dict
    device_p50: float | None
    total_p50: float | None
    device_count: int
    series: dict


class Operator:
    """neuron-monitor and its Prometheus page for the node."""

    def __init__(self):
        self._collector = Collector(open_source("sim"), default_config(), 0)
        self._feed, self._page = NodeFeed(), Page()

    def look(self):
        """The changes since the last call."""
        look = self._collector.collect(time.monotonic_ns(), everything=True)
        self._page.show(self._feed.take(look), 0.0)
        series = {}
        for family in text_string_to_metric_families(b"".join(self._page.scrape()).decode()):
            for sample in family.samples:
                labels = dict(sample.labels)
                kind = next((labels[k] for k in ("error_type", "status_type", "percentile") if k in labels), None)
                if "event_type" in labels:
                    kind = f"{labels['event_type']}/{labels['neuron_device_index']}"
                if sample.name == "neuron_hardware_info":
                    kind = labels["neuron_device_count"]
                series[sample.name, kind] = sample.value
        report = look.report
        (runtime,) = (r for r in report.neuron_runtime_data if r.neuron_runtime_tag == TAG)
        stats = runtime.report.execution_stats
        outcomes = {f: getattr(stats.execution_summary, f) for f in stats.execution_summary.__struct_fields__}
        latency = stats.latency_stats
        return Seen(
            outcomes.pop("completed"),
            {name: count for name, count in outcomes.items() if count},
            {f: n for f in stats.error_summary.__struct_fields__ if (n := getattr(stats.error_summary, f))},
            {
                (d.neuron_device_index, f): n
                for d in report.system_data.neuron_hw_counters.neuron_devices
                for f in d.__struct_fields__
                if f != "neuron_device_index" and (n := getattr(d, f))
            },
            latency.device_latency.p50 if latency.device_latency else None,
            latency.total_latency.p50 if latency.total_latency else None,
            report.neuron_hardware_info.neuron_device_count,
            series,
        )


class Application:
    """A running application: a pipeline from device 0 to device 1, over the East link of device 0."""

    def __init__(self, runtime):
        self._runtime = runtime
        self.model = runtime.load(small_neff(cores=5, weights=64), 0)

    def run(self, times=10):
        """The statuses of a number of executions."""
        statuses = []
        for _ in range(times):
            try:
                result = self._runtime.infer(self.model, {"x": INPUT})
                np.testing.assert_array_equal(result.outputs["y"], INPUT)
                statuses.append(NrtStatus.SUCCESS)
            except NrtError as error:
                statuses.append(error.status)
        return statuses


@pytest.fixture
def application(node, monkeypatch):
    monkeypatch.setenv("NEURON_RT_LOG_LEVEL", "WARNING")
    environment = {
        "NEURON_RT_VISIBLE_CORES": "0-7",
        "NEURON_RT_EXEC_TIMEOUT": str(TIMEOUT_SECONDS),
        "NEURON_PROCESS_TAG": TAG,
    }
    with Runtime(environment=environment) as runtime:
        runtime.load(small_neff(name="other"), 7)
        yield Application(runtime)


@pytest.fixture
def store(node):
    opened = Datastore(node, writable=True)
    yield opened
    opened.close()


@contextlib.contextmanager
def broken(store, *specs):
    made = [faults.inject(store, spec, time.monotonic_ns()) for spec in specs]
    yield made
    for fault in made:
        # A fault whose count is used up has already ended.
        if fault.fault_id in {f.fault_id for f in faults.list_faults(store)}:
            faults.clear(store, fault.fault_id)
    assert faults.list_faults(store) == ()


K = FaultKind
ERR, HARDWARE = {"completed_with_err": 10}, {"hardware": 10}

FAILING = [
    (FaultSpec(K.CORE_HANG, cores=(4,)), 5, {"timed_out": 10}, {"generic": 10}, "nc4 does not answer"),
    (FaultSpec(K.LINK_DOWN, devices=(0,), side=Side.EAST), 1203, ERR, HARDWARE, "East link of Neuron Device 0 is down"),
    (FaultSpec(K.NAN, cores=(4,)), 1003, {"completed_with_num_err": 10}, {"numerical": 10}, "results of nc4 hold NaN"),
    (FaultSpec(K.QUEUE_OVERFLOW, cores=(0,)), 7, {"failed_to_queue": 10}, {"transient": 10}, "queue of nc0 is full"),
    (FaultSpec(K.DEVICE_LOST, devices=(1,)), 101, ERR, HARDWARE, "Neuron Device 1 is lost"),
    (FaultSpec(K.MEM_ECC_UNCORRECTED, devices=(0,), times=10), 1201, ERR, HARDWARE, "uncorrectable ECC error in DRAM"),
    (FaultSpec(K.SRAM_ECC_UNCORRECTED, devices=(1,), times=10), 1202, ERR, HARDWARE, "uncorrectable ECC error in SRAM"),
    *(
        (FaultSpec(K.EXECUTION_ERROR, cores=(0,), error=error), status, {outcome: 10}, {error.value: 10},
         f"{error.value} error on nc0")
        for error, status, outcome in [
            (ErrorClass.GENERIC, 1, "completed_with_err"),
            (ErrorClass.NUMERICAL, 1003, "completed_with_num_err"),
            (ErrorClass.TRANSIENT, 1005, "failed_to_queue"),
            (ErrorClass.MODEL, 1004, "completed_with_err"),
            (ErrorClass.RUNTIME, 4, "completed_with_err"),
            (ErrorClass.HARDWARE, 6, "completed_with_err"),
        ]
    ),
]  # fmt: skip


def assert_clean(application, operator):
    operator.look()
    assert application.run() == [NrtStatus.SUCCESS] * 10
    seen = operator.look()
    assert (seen.completed, seen.outcomes, seen.errors, seen.ecc, seen.device_count) == (10, {}, {}, {}, 4)
    return seen


@pytest.mark.parametrize(
    ("spec", "status", "outcomes", "errors", "line"), FAILING, ids=lambda v: getattr(v, "kind", None)
)
def test_a_fault_that_fails_executions(application, store, capfd, spec, status, outcomes, errors, line):
    operator = Operator()
    healthy = assert_clean(application, operator)
    with broken(store, spec):
        capfd.readouterr()
        assert application.run() == [status] * 10
        log = capfd.readouterr().err.splitlines()
        assert len(log) == 10
        assert all("ERROR  NRT:nrt_execute" in text and line in text and f"(status {status})" in text for text in log)
        seen = operator.look()
        indices = [d.index for d in open_source("sim").snapshot().devices]
    assert (seen.completed, seen.outcomes, seen.errors) == (0, outcomes, errors)
    (outcome,), (error,) = outcomes, errors
    for name, kind in (("execution_status_total", outcome), ("execution_errors_total", error)):
        assert seen.series[name, kind] - healthy.series[name, kind] == 10
    if spec.kind in (K.MEM_ECC_UNCORRECTED, K.SRAM_ECC_UNCORRECTED):
        event, device = spec.kind.value.replace("-", "_"), spec.devices[0]
        assert seen.ecc == {(device, event): 10}
        assert seen.series["hardware_ecc_events_total", f"{event}/{device}"] == 10
    else:
        assert seen.ecc == {}
    if spec.kind is K.DEVICE_LOST:
        assert seen.device_count == 3
        assert seen.series["neuron_hardware_info", "3"] == 1
        assert indices == [0, 2, 3]
    assert_clean(application, operator)


@pytest.mark.parametrize("kind", [K.MEM_ECC_CORRECTED, K.SRAM_ECC_CORRECTED])
def test_errors_that_ecc_corrects_are_counted_and_logged_and_fail_nothing(application, store, capfd, kind):
    operator = Operator()
    assert_clean(application, operator)
    with broken(store, FaultSpec(kind, devices=(1,), times=7)):
        capfd.readouterr()
        assert application.run() == [NrtStatus.SUCCESS] * 10
        (line,) = capfd.readouterr().err.splitlines()
        assert "WARNING  NRT:nrt_execute" in line
        assert (
            f"ECC corrected an error in {'DRAM' if kind is K.MEM_ECC_CORRECTED else 'SRAM'} of Neuron Device 1" in line
        )
        seen = operator.look()
    event = kind.value.replace("-", "_")
    assert (seen.completed, seen.outcomes, seen.errors, seen.ecc) == (10, {}, {}, {(1, event): 7})
    assert seen.series["hardware_ecc_events_total", f"{event}/1"] == 7
    assert_clean(application, operator)


def test_ecc_events_come_at_their_rate_of_busy_time(application, store):
    operator = Operator()
    with broken(store, FaultSpec(K.MEM_ECC_CORRECTED, devices=(1,), rate_per_second=1e6)):
        before = operator.look()
        application.run(100)
        seen = operator.look()
    busy_seconds = 100 * seen.device_p50
    # In the model both devices need the same time; the second one executes everything except the copy.
    assert 0.3 * busy_seconds * 1e6 < seen.ecc[1, "mem_ecc_corrected"] < 1.5 * busy_seconds * 1e6
    assert before.ecc == {}


SLOW = [
    (FaultSpec(K.SLOW_CORE, cores=(4,), factor=20), "nc4 is slow", "device_p50", 5),
    # 256 bytes at 32 GiB/s, a million times as long: 7.5 ms, which a busy host seldom needs by itself.
    (FaultSpec(K.LINK_SLOW, devices=(0,), factor=1e6), "East link of Neuron Device 0 is slow", "total_p50", 0),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "line", "latency", "times"), SLOW, ids=lambda v: getattr(v, "kind", None))
def test_a_fault_that_slows_executions(application, store, capfd, spec, line, latency, times):
    operator = Operator()
    healthy = assert_clean(application, operator)
    with broken(store, spec):
        capfd.readouterr()
        assert application.run() == [NrtStatus.SUCCESS] * 10
        (told,) = capfd.readouterr().err.splitlines()
        assert "WARNING  NRT:nrt_execute" in told
        assert line in told
        seen = operator.look()
    assert (seen.outcomes, seen.errors, seen.ecc) == ({}, {}, {})
    assert getattr(seen, latency) > times * getattr(healthy, latency)
    assert seen.series["execution_latency_seconds", "p50"] == seen.total_p50
    if spec.kind is K.LINK_SLOW:
        assert seen.total_p50 > 0.0074
    assert assert_clean(application, operator).device_p50 == pytest.approx(healthy.device_p50, rel=0.02)


def test_lost_bandwidth_slows_what_reads_from_dram(node, store):
    environment = {"NEURON_RT_VISIBLE_CORES": "0-1"}
    with Runtime(environment=environment, numerics=False) as runtime:
        large, small = (runtime.load(small_neff(weights=8, width=width), core) for core, width in ((0, 1024), (1, 64)))

        def device_ns():
            return [runtime.infer(model, {}).device_ns for model in (large, small)]

        healthy = device_ns()
        with broken(store, FaultSpec(K.DRAM_BANDWIDTH, devices=(0,), share=0.01)):
            starved = device_ns()
        assert starved[0] > 3 * healthy[0]
        assert starved[1] == pytest.approx(healthy[1], rel=0.05)
        assert device_ns() == pytest.approx(healthy, rel=0.05)


def status_counts(field):
    (runtime,) = (r for r in open_source("sim").snapshot().runtimes if r.tag == TAG)
    return sum(getattr(use.status, field) for use in runtime.cores.values())


@pytest.mark.parametrize(
    ("spec", "status", "field", "line"),
    [
        (FaultSpec(K.LOAD_FAILURE, cores=(2,)), 1, "failure", "could not be loaded on nc2"),
        (FaultSpec(K.DRAM_FULL, devices=(0,), free_bytes=1000), 4, "resource_error", "memory on Neuron Device 0"),
        (FaultSpec(K.DEVICE_LOST, devices=(0,)), 101, "hw_error", "Neuron Device 0 is lost"),
    ],
    ids=lambda v: getattr(v, "kind", None),
)  # fmt: skip
def test_a_fault_that_fails_loads(application, store, capfd, spec, status, field, line):
    operator = Operator()
    runtime = application._runtime
    used = open_source("sim").snapshot().devices[0].memory_used_bytes
    with broken(store, spec):
        capfd.readouterr()
        with pytest.raises(NrtError) as caught:
            runtime.load(small_neff(), 2)
        (told,) = capfd.readouterr().err.splitlines()
        assert "ERROR  NRT:nrt_load" in told
        assert line in told
        assert status_counts(field) == 1
        if spec.kind is K.DRAM_FULL:
            with pytest.raises(NrtError) as tensor:
                runtime.tensor_allocate(TensorPlacement.DEVICE, 4096)
            assert tensor.value.status is NrtStatus.RESOURCE
    assert caught.value.status == status
    assert open_source("sim").snapshot().devices[0].memory_used_bytes == used
    runtime.unload(runtime.load(small_neff(), 2))
    assert status_counts(field) == 1
    assert_clean(application, operator)


@pytest.mark.parametrize("kind", [K.DRIVER_OLD, K.DRIVER_MISSING])
def test_a_wrong_driver_stops_new_runtimes_only(application, store, capfd, kind):
    operator = Operator()
    with broken(store, FaultSpec(kind)):
        capfd.readouterr()
        with pytest.raises(NrtError) as caught:
            Runtime(environment={"NEURON_RT_VISIBLE_CORES": "8"})
        (told,) = capfd.readouterr().err.splitlines()
        assert f"ERROR  NRT:nrt_init      {FAULTS[kind].message}" in told
        assert application.run() == [NrtStatus.SUCCESS] * 10
        seen = operator.look()
        snapshot = open_source("sim").snapshot()
    assert caught.value.status is NrtStatus.FAILURE
    assert snapshot.driver_version == ("1.5.0" if kind is K.DRIVER_OLD else "")
    assert seen.device_count == (4 if kind is K.DRIVER_OLD else 0)
    assert seen.series["neuron_hardware_info", str(seen.device_count)] == 1
    with Runtime(environment={"NEURON_RT_VISIBLE_CORES": "8", "NEURON_PROCESS_TAG": "new"}) as runtime:
        assert runtime.cores == (8,)
    assert_clean(application, operator)


def test_a_lost_device_is_no_place_for_new_runtimes(node, store, capfd):
    with broken(store, FaultSpec(K.DEVICE_LOST, devices=(0,))):
        with pytest.raises(NrtError) as caught:
            Runtime(environment={"NEURON_RT_VISIBLE_CORES": "3-4"})
        assert "Requested:nc3-nc4 Available:1" in capfd.readouterr().err
        with Runtime(environment={"NEURON_RT_NUM_CORES": "2"}) as runtime:
            assert runtime.cores == (4, 5)
    assert caught.value.status is NrtStatus.LOAD_NOT_ENOUGH_NC
    with Runtime(environment={"NEURON_RT_VISIBLE_CORES": "3-4"}) as runtime:
        assert runtime.cores == (3, 4)


def test_a_ratio_strikes_that_share(application, store):
    with broken(store, FaultSpec(K.QUEUE_OVERFLOW, ratio=0.3)):
        struck = application.run(300).count(NrtStatus.QUEUE_FULL)
    # Five standard deviations around 90.
    assert 50 < struck < 130


def test_a_missing_driver_leaves_nothing_to_list(node, store, command):
    with broken(store, FaultSpec(K.DRIVER_MISSING)):
        done = command("neuron_ls")
        assert (done.returncode, done.stdout) == (1, "")
        assert "no Neuron Device found" in done.stderr
    assert command("neuron_ls").returncode == 0


@pytest.mark.e2e
def test_the_command_breaks_a_running_process_and_mends_it(node, spawn, command, wait, squeezenet_neff):
    spawn("neuron_tools.sim", "run", squeezenet_neff, "--no-numerics", "--duration", "0", "--rate", "200", "--tag", TAG,
          NEURON_RT_VISIBLE_CORES="0")  # fmt: skip

    def counts():
        with contextlib.suppress(NodeError):
            return next((r.executions for r in open_source("sim").snapshot().runtimes if r.tag == TAG), None)

    wait(lambda: counts() and counts().completed > 5)
    command("neuron_tools.sim", "fault", "inject", "execution-error", "--error", "model", "--core", "0")
    wait(lambda: counts().completed_with_err > 5)
    struck = command("neuron_tools.sim", "fault", "list", "--json").stdout
    assert '"hits": 0' not in struck
    command("neuron_tools.sim", "fault", "clear")
    broken_count, completed = counts().completed_with_err, counts().completed
    wait(lambda: counts().completed > completed + 20)
    assert counts().completed_with_err <= broken_count + 1
