"""The exit status of ``neuron-sim run`` shows whether any execution succeeded; it does not flood the terminal."""

import json
import os
import signal
from pathlib import Path

import pytest

from runtime_core import nrt
from runtime_core.driver.datastore import Datastore
from runtime_core.telemetry import open_source

pytestmark = pytest.mark.e2e
RUN = ("neuron_tools.sim", "run", "--num-cores", "1", "--duration", "0.3", "--no-numerics")


def test_a_run_that_works_ends_with_0(command, node, squeezenet_neff):
    done = command(*RUN, squeezenet_neff)
    assert done.returncode == 0, done.stderr
    assert "none failed" in done.stdout


def test_a_run_in_which_nothing_succeeds_ends_with_1_and_counts_its_errors(command, node, squeezenet_neff):
    assert command("neuron_tools.sim", "fault", "inject", "execution-error", "--error", "hardware").returncode == 0
    done = command(*RUN, squeezenet_neff)
    assert done.returncode == 1
    assert "0 completed" in done.stdout
    lines = [line for line in done.stderr.splitlines() if "hardware error" in line]
    assert len(lines) == 2, done.stderr
    assert lines[1].endswith(" more times)")


def test_several_processes_have_one_summary(command, node, squeezenet_neff):
    done = command(*RUN[:2], "--num-cores", "4", "--processes", "2", "--duration", "0.5", "--no-numerics", "--json",
                   "--tag", "web", squeezenet_neff)  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    processes = summary["processes"]
    assert [len(process["cores"]) for process in processes] == [2, 2]
    assert sorted(summary["cores"]) == sorted(core for process in processes for core in process["cores"])
    assert summary["executions"] == sum(process["executions"] for process in processes) > 0
    # The results of the processes equal the node's counters.
    store = Datastore(node, writable=True)
    assert sum(store.core_totals(core).inference_count for core in range(16)) == summary["executions"]
    store.close()


def test_a_process_that_is_killed_is_reported_and_ctrl_c_ends_the_others(spawn, node, squeezenet_neff, wait):
    run = spawn("neuron_tools.sim", "run", "--num-cores", "3", "--processes", "3", "--duration", "0", "--no-numerics",
                "--rate", "300", squeezenet_neff)  # fmt: skip
    working = wait(lambda: len(found := executing()) == 3 and found)
    os.kill(working[0], signal.SIGKILL)
    wait(lambda: len(executing()) == 2)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=30)
    assert run.returncode == 1
    assert f"(pid {working[0]})" in err and "was ended by SIGKILL" in err
    assert f"(3 processes, started by {run.pid})" in out
    assert "lost         process" in out
    assert executing() == []
    assert not any(Path(f"/proc/{pid}").exists() for pid in working)


def test_a_process_that_cannot_start_ends_all(command, node, squeezenet_neff):
    with nrt.Runtime(environment={"NEURON_RT_VISIBLE_CORES": "3"}):
        done = command("neuron_tools.sim", "run", "--visible-cores", "0-3", "--processes", "2", squeezenet_neff)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if " NRT:" not in line]
    assert line.startswith("neuron-sim: process 2 of 2: NeuronCore(s) not available")


def executing():
    """The processes of the node that have executed."""
    runtimes = open_source().snapshot().runtimes
    return [r.pid for r in runtimes if r.executions is not None and r.executions.completed]
