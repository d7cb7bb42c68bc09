"""Programs side by side on one node: ownership, utilization, agreement, clean exits."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from neuron_console.units import format_bytes
from runtime_core.driver.node import set_up
from runtime_core.telemetry import open_source

pytestmark = pytest.mark.e2e

LOG_LINE = re.compile(
    r"^\d{4}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2}\.\d{6}  \d+:\d+   ERROR  "
    r"NRT:nrt_allocate_neuron_cores               "
    r"NeuronCore\(s\) not available - Requested:nc1-nc1 Available:0$",
    re.M,
)


def owners():
    return {r.tag: sorted(r.cores) for r in open_source().snapshot().runtimes}


def completed(tag):
    return next((r.executions.completed for r in open_source().snapshot().runtimes if r.tag == tag), 0)


@pytest.fixture
def run_model(spawn, squeezenet_neff):
    def start(tag, cores, *options, **environment):
        environment.setdefault("NEURON_RT_VISIBLE_CORES", cores)
        arguments = ("run", squeezenet_neff, "--tag", tag, "--no-numerics", *options)
        return spawn("neuron_tools.sim", *arguments, **environment)

    return start


def test_cores_are_owned_until_their_process_is_gone_however_it_goes(node, run_model, wait):
    first = run_model("first", "0-3", "--duration", "0", "--rate", "50")
    run_model("second", "4-11", "--duration", "0", "--rate", "50")
    wait(lambda: completed("first") and completed("second"), what="two applications at work")
    assert owners() == {"first": [0, 1, 2, 3], "second": [4, 5, 6, 7, 8, 9, 10, 11]}

    third = run_model("third", "1", "--duration", "1")
    _, errors = third.communicate(timeout=30)
    assert third.returncode == 1
    assert LOG_LINE.search(errors)
    assert f"process {first.pid} owns nc1-nc1; stop it or choose other cores" in errors.splitlines()[-1]
    assert "Traceback" not in errors

    first.send_signal(signal.SIGKILL)
    first.wait()
    third = run_model("third", "1", "--duration", "1", "--rate", "20")
    out, errors = third.communicate(timeout=30)
    assert (third.returncode, errors) == (0, "")
    assert "20 completed" in out
    assert owners() == {"second": [4, 5, 6, 7, 8, 9, 10, 11]}


def test_the_status_of_a_taken_core_is_load_not_enough_nc(node, run_model, wait):
    run_model("owner", "1", "--duration", "0", "--rate", "10")
    wait(lambda: completed("owner"))
    code = "from runtime_core import nrt\ntry:\n  nrt.init()\nexcept nrt.NrtError as e:\n  print(e.status.value)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "NEURON_RT_VISIBLE_CORES": "1"},
    )  # fmt: skip
    assert done.stdout == "9\n"


def monitor_lines(spawn, path, period, groups):
    runtimes = [{"metrics": [{"type": g} for g in groups]}]
    path.write_text(json.dumps({"period": period, "neuron_runtimes": runtimes}))
    return spawn("neuron_monitor", "-c", path)


@pytest.mark.parametrize("rate", [100, 500])
def test_utilization_is_rate_times_device_time(node, run_model, spawn, wait, tmp_path, squeezenet_neff, command, rate):
    """r executions per second of t seconds each keep a core busy for r*t of the time, within 3 %, over 5 s."""
    device_ns = json.loads(command("neuron_tools.cc", "inspect", squeezenet_neff, "--json").stdout)["device_ns"]
    # On separate chips, because neighbours on one chip share its DRAM bandwidth and take longer.
    run_model("load", "0,4", "--duration", "0", "--rate", str(2 * rate), "--threads", "16")
    wait(lambda: completed("load") > 5)
    monitor = monitor_lines(spawn, tmp_path / "c.json", "5s", ["neuroncore_counters", "execution_stats"])
    report = json.loads(monitor.stdout.readline())["neuron_runtime_data"][0]["report"]
    counters = report["neuroncore_counters"]
    done = report["execution_stats"]["execution_summary"]["completed"] / counters["period"]
    assert done == pytest.approx(2 * rate, rel=0.02)
    for core in ("0", "4"):
        found = counters["neuroncores_in_use"][core]["neuroncore_utilization"] / 100
        assert found == pytest.approx(rate * device_ns / 1e9, rel=0.03)


def test_idle_reads_zero_and_saturated_never_over_a_hundred(node, run_model, spawn, wait, tmp_path):
    run_model("idle", "4", "--duration", "0", "--rate", "0.001")
    run_model("full", "0", "--duration", "0", "--threads", "16")
    wait(lambda: completed("full") > 10 and "idle" in owners() and completed("idle"))
    monitor = monitor_lines(spawn, tmp_path / "c.json", "500ms", ["neuroncore_counters"])
    saturated = 0
    # On a machine with other work, the callers may be delayed.
    for _ in range(40):
        data = json.loads(monitor.stdout.readline())["neuron_runtime_data"]
        cores = {t["neuron_runtime_tag"]: t["report"]["neuroncore_counters"]["neuroncores_in_use"] for t in data}
        assert cores["idle"]["4"] == {"neuroncore_utilization": 0.0, "flops": 0}
        found = cores["full"]["0"]["neuroncore_utilization"]
        assert found <= 100
        saturated += found > 90
        if saturated == 4:
            break
    assert saturated == 4


QUIET_APPLICATION = """
import sys
import numpy as np
from runtime_core import nrt
nrt.init()
model = nrt.load(open(sys.argv[1], "rb").read(), 0)
x = {t.name: np.zeros(t.shape, np.float32) for t in model.graph.inputs}
done = 0
for line in sys.stdin:
    for _ in range(int(line)):
        nrt.infer(model, x)
        done += 1
    print(done, flush=True)
"""


def test_the_viewers_and_the_process_agree_at_every_quiet_point(node, squeezenet_neff, spawn, command, tmp_path):
    application = subprocess.Popen(
        [sys.executable, "-c", QUIET_APPLICATION, str(squeezenet_neff)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "NEURON_RT_VISIBLE_CORES": "5", "NEURON_PROCESS_TAG": "quiet"},
    )  # fmt: skip
    try:
        application.stdin.write("0\n")
        application.stdin.flush()
        assert application.stdout.readline() == "0\n"
        monitor = monitor_lines(spawn, tmp_path / "c.json", "400ms", ["execution_stats", "memory_used"])
        # The monitor counts from its start, so wait for it.
        assert json.loads(monitor.stdout.readline())["neuron_runtime_data"]
        total = 0
        for count in (3, 0, 7):
            application.stdin.write(f"{count}\n")
            application.stdin.flush()
            own = int(application.stdout.readline())
            while total < own:
                report = json.loads(monitor.stdout.readline())["neuron_runtime_data"][0]["report"]
                total += report["execution_stats"]["execution_summary"]["completed"]
            assert total == own == completed("quiet")
        (listed,) = json.loads(command("neuron_ls", "-j").stdout)[1]["neuron_processes"]
        assert listed["pid"] == application.pid
        report = json.loads(monitor.stdout.readline())["neuron_runtime_data"][0]["report"]
        used = report["memory_used"]["neuron_runtime_used_bytes"]["neuron_device"]
        top = command("neuron_top", "--once", "--interval", "0.2").stdout
        assert ">all<" in top
        assert "quiet" in top
        assert re.search(rf"Device Used\s+Total.*\nMemory\s+{re.escape(format_bytes(used))}", top)
        assert used == open_source().snapshot().devices[1].memory_used_bytes
    finally:
        application.kill()
        application.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_ends_with_a_summary_on_a_signal(node, run_model, wait, number):
    process = run_model("web", "0", "--duration", "0", "--rate", "100", "--json")
    wait(lambda: completed("web") > 3)
    process.send_signal(number)
    out, errors = process.communicate(timeout=20)
    summary = json.loads(out)
    assert (process.returncode, errors) == (0, "")
    assert summary["executions"] > 3
    assert (summary["tag"], summary["numerics"], summary["cores"]) == ("web", False, [0])
    assert open_source().snapshot().runtimes == ()


def test_run_computes_real_results_and_compiles_onnx_on_the_way(node, command, light_networks):
    done = command("neuron_tools.sim", "run", light_networks / "light_shufflenet.onnx", "--num-cores", "1",
                   "--duration", "0.5", "--json")  # fmt: skip
    summary = json.loads(done.stdout)
    assert summary["numerics"]
    assert summary["executions"] > 0
    assert summary["failures"] == {}


def test_a_24xlarge_is_shared_by_applications_that_take_what_is_free(root, spawn, wait, squeezenet_neff):
    set_up(root, type_name="inf1.24xlarge")
    for i in range(4):
        spawn("neuron_tools.sim", "run", squeezenet_neff, "--no-numerics", "--duration", "0", "--rate", "50",
              "--tag", f"t{i}", NEURON_RT_NUM_CORES="16")  # fmt: skip
    wait(lambda: len(owners()) == 4 and all(completed(f"t{i}") for i in range(4)), 60)
    assert sorted(c for cores in owners().values() for c in cores) == list(range(64))


def test_demo_shows_everything_and_cleans_up_after_itself(command, tmp_path):
    done = command("neuron_tools.sim", "demo", "--duration", "1", TMPDIR=str(tmp_path), timeout=110)
    assert done.returncode == 0
    assert "NEURON" in done.stdout
    assert "nightly-batch  light_resnet50 on NeuronCores 8-11, as fast as possible" in done.stdout
    assert "Nothing is left." in done.stdout
    _, _, table = done.stdout.partition("5 reports of neuron-monitor, 3 applications")
    rows = {line.split()[0]: line.split() for line in table.splitlines() if line}
    assert {"photo-tags": "0-1", "thumbnails": "4", "nightly-batch": "8-11"}.items() <= {
        tag: row[1] for tag, row in rows.items() if len(row) > 1
    }.items()
    assert int(rows["nightly-batch"][4]) > 100, "executions per second"
    assert "N/A" not in table
    assert "neuron-sim up" in table
    assert not list(tmp_path.glob("neuron-demo-*"))


def test_demo_cleans_up_on_ctrl_c(spawn, tmp_path, wait):
    process = spawn("neuron_tools.sim", "demo", "--duration", "30", TMPDIR=str(tmp_path))
    wait(lambda: list(tmp_path.glob("neuron-demo-*/*.log")), 60)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert not list(tmp_path.glob("neuron-demo-*"))
