"""The same busy node through its datastore and through its mirror."""

import json
import signal

import numpy as np
import pytest
from worlds import tiny_neff

from runtime_core.nrt import NrtError, Runtime
from runtime_core.telemetry import open_source

pytestmark = pytest.mark.e2e


def completed():
    return sum(r.executions.completed for r in open_source().snapshot().runtimes)


def test_neuron_ls_is_the_same_through_the_mirror(node, spawn, command, wait, tmp_path, squeezenet_neff):
    spawn("neuron_tools.sim", "run", squeezenet_neff, "--visible-cores", "0-5", "--no-numerics", "--duration", "0",
          "--rate", "100", "--tag", "web")  # fmt: skip
    wait(completed)
    mirror = tmp_path / "tree"
    assert command("neuron_tools.sim", "sysfs", "--export", mirror).returncode == 0
    direct, mirrored = (command("neuron_ls", "-j", "--source", s).stdout for s in ("sim", f"sysfs:{mirror}"))
    assert json.loads(mirrored) == json.loads(direct)
    assert command("neuron_ls", "--source", f"sysfs:{mirror}").stdout == command("neuron_ls").stdout


def test_following_moves_the_counters_and_ends_quietly(node, spawn, wait, tmp_path, squeezenet_neff):
    spawn("neuron_tools.sim", "run", squeezenet_neff, "--visible-cores", "0", "--no-numerics", "--duration", "0",
          "--rate", "200")  # fmt: skip
    wait(completed)
    follower = spawn("neuron_tools.sim", "sysfs", "--export", tmp_path / "tree", "--follow", "0.05")
    counter = tmp_path / "tree/neuron0/neuron_core0/stats/other_info/inference_count/total"
    first = int(wait(lambda: counter.exists() and counter.read_text()))
    wait(lambda: int(counter.read_text()) > first)
    follower.send_signal(signal.SIGINT)
    _, errors = follower.communicate(timeout=20)
    assert (follower.returncode, errors) == (130, "")


def test_a_directory_of_somebody_else_is_left_alone(node, command, tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "letter.txt").write_text("x")
    done = command("neuron_tools.sim", "sysfs", "--export", tmp_path / "tree")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert [p.name for p in (tmp_path / "tree").iterdir()] == ["letter.txt"]


CONFIG = {
    "period": "0.1s",
    "neuron_runtimes": [
        {"tag_filter": ".*", "metrics": [{"type": "neuroncore_counters"}, {"type": "memory_used"},
                                         {"type": "execution_stats"}]}
    ],
    "system_metrics": [{"type": "neuron_hw_counters"}],
}  # fmt: skip


NOT_IN_SYSFS = ("mem_ecc_corrected", "sram_ecc_corrected", "neuron_device_link", "neuron_execution_duration")


def samples(path):
    """Sample -> value of a metrics file, without times of collection."""
    lines = [line.rpartition(" ") for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in lines if "_created" not in name and "_timestamp_" not in name}


def test_neuron_monitor_counts_the_same_through_the_mirror(node, spawn, command, wait, tmp_path):
    (tmp_path / "monitor.json").write_text(json.dumps(CONFIG))
    environment = {"NEURON_RT_VISIBLE_CORES": "4-5", "NEURON_RT_LOG_LEVEL": "QUIET", "NEURON_PROCESS_TAG": "web"}
    seen = {}
    with Runtime(environment=environment) as runtime:
        model = runtime.load(tiny_neff())
        for _ in range(40):
            runtime.infer(model, {"x": np.ones((2, 3), np.float32)})
        with pytest.raises(NrtError):
            runtime.infer(model, {"x": np.ones((1, 3), np.float32)})
        assert command("neuron_tools.sim", "sysfs", "--export", tmp_path / "tree").returncode == 0
        for name, source in (("sim", "sim"), ("sysfs", f"sysfs:{tmp_path / 'tree'}")):
            target = tmp_path / f"{name}.prom"
            spawn("neuron_monitor", "-c", tmp_path / "monitor.json", "--source", source, "--textfile", target)
            seen[name] = samples(wait(lambda target=target: target.exists() and target))
    counted = {n: v for n, v in seen["sim"].items() if not any(absent in n for absent in NOT_IN_SYSFS)}
    assert seen["sysfs"] == counted
    assert {v for n, v in counted.items() if n.startswith("execution_status_total") and v} == {40.0, 1.0}
