"""With misbehaving runtimes and readers, the stream stays valid and reports what could not be read."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

MID_WRITE = """
import os, sys, time
from runtime_core.driver import ownership
from runtime_core.driver.node import open_or_set_up
from runtime_core.driver.pages.page import RuntimePage
store = open_or_set_up()
core = int(sys.argv[1])
page = RuntimePage(store, tag=f"writer{core}", command="test", version="0")
ownership.claim_cores(store.locks, [core])
page.own_cores([core])
page.count((core,), 0, 0, None, 2_000_000, 1_000_000)
page._words[0] += 1
print("inside", flush=True)
sys.stdin.readline()
page._words[0] += 1
print("outside", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def writer(node):
    """A runtime that is stopped in the middle of a write to its page."""
    started = []

    def start(core):
        process = subprocess.Popen(
            [sys.executable, "-c", MID_WRITE, str(core)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        started.append(process)
        assert process.stdout.readline() == b"inside\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def next_with(monitor, wanted, fits_schema):
    """The first of the next lines that satisfies a condition; every line must be a valid report."""
    for _ in range(100):
        report = json.loads(monitor.stdout.readline())
        fits_schema(report)
        entries = {entry["neuron_runtime_tag"]: entry for entry in report["neuron_runtime_data"]}
        if wanted(entries):
            return report, entries
    raise AssertionError("no such line came")


def test_a_runtime_that_stands_inside_a_write_is_told_the_others_go_on(writer, owner, spawn, every_group, fits_schema):
    owner(0)
    stuck = writer(1)
    monitor = spawn("neuron_monitor", "-c", every_group)
    _, entries = next_with(monitor, lambda e: e.keys() == {"bench0", "writer1"}, fits_schema)
    assert entries["writer1"]["error"] == (
        f"counters of process {stuck.pid} cannot be read: it was stopped in the middle of a write"
    )
    groups = entries["writer1"]["report"]
    assert groups["execution_stats"]["execution_summary"]["completed"] == 0
    assert "not available" in groups["execution_stats"]["error"]
    assert groups["neuroncore_counters"]["neuroncores_in_use"]["1"]["neuroncore_utilization"] == 0
    assert "neuroncores_in_use.neuroncore_utilization" in groups["neuroncore_counters"]["error"]
    assert entries["bench0"]["error"] == ""
    assert entries["bench0"]["report"]["execution_stats"]["execution_summary"]["completed"] > 0
    stuck.stdin.write(b"\n")
    stuck.stdin.flush()
    _, entries = next_with(monitor, lambda e: e["writer1"]["error"] == "", fits_schema)
    next_with(monitor, lambda e: e["writer1"]["report"]["execution_stats"]["error"] == "", fits_schema)


def test_many_that_stand_inside_a_write_do_not_hold_up_the_reports(writer, spawn, every_group, fits_schema):
    for core in range(4):
        writer(core)
    monitor = spawn("neuron_monitor", "-c", every_group)
    next_with(monitor, lambda e: len(e) == 4, fits_schema)
    # Waiting 100 ms for each of them at every report would make every report 400 ms late.
    report, _ = next_with(monitor, lambda e: True, fits_schema)
    for _ in range(30):
        if report["system_data"]["memory_info"]["period"] < 0.3:
            return
        report, _ = next_with(monitor, lambda e: True, fits_schema)
    raise AssertionError("reports stayed late")


def test_a_runtime_that_is_killed_inside_a_write_is_gone(writer, owner, spawn, every_group, fits_schema):
    owner(0)
    dying = writer(1)
    monitor = spawn("neuron_monitor", "-c", every_group)
    next_with(monitor, lambda e: "writer1" in e, fits_schema)
    dying.kill()
    dying.wait()
    next_with(monitor, lambda e: e.keys() == {"bench0"}, fits_schema)


def test_a_runtime_that_is_stopped_stays_and_does_nothing(owner, spawn, every_group, fits_schema):
    stopped = owner(0)
    monitor = spawn("neuron_monitor", "-c", every_group)

    def completed(entries):
        return entries["bench0"]["report"]["execution_stats"]["execution_summary"]["completed"]

    next_with(monitor, completed, fits_schema)
    os.kill(stopped.pid, signal.SIGSTOP)
    next_with(monitor, lambda e: not completed(e), fits_schema)
    os.kill(stopped.pid, signal.SIGCONT)
    next_with(monitor, completed, fits_schema)


def test_a_datastore_that_is_cut_off_is_told_and_the_stream_goes_on(owner, spawn, every_group, node, fits_schema):
    owner(0)
    monitor = spawn("neuron_monitor", "-c", every_group)
    next_with(monitor, lambda e: e, fits_schema)
    (node / "datastore").rename(node / "elsewhere")
    (node / "datastore").write_bytes(b"no datastore")
    report, _ = next_with(monitor, lambda e: not e, fits_schema)
    assert "datastore" in report["neuron_hardware_info"]["error"]
    (node / "elsewhere").rename(node / "datastore")
    report, _ = next_with(monitor, lambda e: e, fits_schema)
    assert report["neuron_hardware_info"]["error"] == ""


@pytest.mark.parametrize("stopped", ["monitor", "exporter"])
def test_stopped_for_a_while_the_pair_of_pipes_goes_on_afterwards(owner, every_group, get, listening, wait, stopped):
    owner(0)
    monitor = subprocess.Popen([sys.executable, "-m", "neuron_monitor", "-c", every_group], stdout=subprocess.PIPE)
    command = [sys.executable, "-m", "neuron_monitor.prometheus.cli", "--web.listen-address", "127.0.0.1:0"]
    exporter = subprocess.Popen(command, stdin=monitor.stdout, stderr=subprocess.PIPE)
    monitor.stdout.close()
    try:
        url = f"http://127.0.0.1:{listening(exporter)}"

        def completed():
            lines = get(f"{url}/metrics")[2].decode().splitlines()
            found = [line for line in lines if line.startswith("execution_status_total") and '"completed"' in line]
            return float(found[0].split()[-1]) if found else None

        before = wait(completed)
        victim = monitor if stopped == "monitor" else exporter
        victim.send_signal(signal.SIGSTOP)
        until = time.monotonic() + 1.5
        wait(lambda: time.monotonic() > until)
        victim.send_signal(signal.SIGCONT)
        # Nothing is lost: the next reports include the counts of the meantime.
        after = wait(lambda: (found := completed()) and found > before + 50 and found)
        assert after > before
    finally:
        for process in (monitor, exporter):
            process.kill()
            process.wait()
        exporter.stderr.close()
