"""The same busy node through its datastore and through its mirror."""

import json
import signal

import pytest

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
