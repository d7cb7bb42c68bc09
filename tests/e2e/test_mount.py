"""A node mounted with FUSE, read and written by ordinary programs."""

import json
import os
import shutil
import signal
import subprocess

import pytest

from runtime_core.telemetry import open_source

pytestmark = pytest.mark.e2e


def fuse_works():
    try:
        import mfusepy  # noqa: F401 - it looks for libfuse when it is imported
    except (ImportError, OSError):
        return False
    return os.access("/dev/fuse", os.R_OK | os.W_OK) and shutil.which("fusermount3") is not None


needs_fuse = pytest.mark.skipif(not fuse_works(), reason="FUSE is not available here")


@pytest.fixture
def mounted(node, spawn, wait, tmp_path):
    directory = tmp_path / "mnt"
    directory.mkdir()
    process = spawn("neuron_tools.sim", "mount", directory)
    wait(lambda: os.path.ismount(directory) or process.poll() is not None)
    assert process.poll() is None, process.stderr.read()
    yield directory
    subprocess.run(["fusermount3", "-u", "-z", directory], check=False, capture_output=True)
    assert process.wait(20) == 0


def shell(line):
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True)


@needs_fuse
def test_a_shell_reads_clears_and_resets(mounted, spawn, wait, squeezenet_neff):
    spawn("neuron_tools.sim", "run", squeezenet_neff, "--visible-cores", "0", "--no-numerics", "--duration", "0",
          "--rate", "200")  # fmt: skip
    counter = mounted / "neuron0/neuron_core0/stats/status/success"
    wait(lambda: int((counter / "total").read_text()) > 200)
    assert shell(f"echo 1 > {counter}/total").returncode == 0
    assert int((counter / "total").read_text()) < 200
    wait(lambda: open_source().snapshot().runtimes[0].executions.completed > 200)
    busy = shell(f"echo 1 | tee {mounted}/neuron0/reset")
    assert "busy" in busy.stderr
    assert shell(f"echo force > {mounted}/neuron0/reset").returncode == 0
    wait(lambda: int((mounted / "neuron0/neuron_core0/stats/status/hw_error/present").read_text()))
    assert "denied" in shell(f"echo 1 > {mounted}/neuron0/no_such_file").stderr


@needs_fuse
def test_the_viewers_see_the_same_node_through_it(mounted, spawn, command, wait, squeezenet_neff):
    spawn("neuron_tools.sim", "run", squeezenet_neff, "--visible-cores", "2-5", "--no-numerics", "--duration", "0",
          "--rate", "100", "--tag", "web")  # fmt: skip
    wait(lambda: sum(r.executions.completed for r in open_source().snapshot().runtimes))
    direct, through = (command("neuron_ls", "-j", "--source", s).stdout for s in ("sim", f"sysfs:{mounted}"))
    assert json.loads(through) == json.loads(direct)
    assert command("neuron_ls", "--source", f"sysfs:{mounted}").stdout == command("neuron_ls").stdout


@needs_fuse
def test_ctrl_c_unmounts(node, spawn, wait, tmp_path):
    directory = tmp_path / "mnt"
    directory.mkdir()
    process = spawn("neuron_tools.sim", "mount", directory)
    wait(lambda: os.path.ismount(directory))
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert not os.path.ismount(directory)


def test_without_a_directory_to_mount_on_it_ends_with_a_line(node, command, tmp_path):
    done = command("neuron_tools.sim", "mount", tmp_path / "nowhere")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "mkdir" in done.stderr
