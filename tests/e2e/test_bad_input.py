"""Every error is one line on stderr with an exit status, without a traceback and without lost data."""

import os
import subprocess
import sys

import pytest

from runtime_core.driver.node import set_up
from runtime_core.telemetry import open_source

pytestmark = pytest.mark.e2e
AS_NOBODY = """
import importlib, os, sys
# Everything is loaded first: the interpreter may lie where other users can't enter.
for name in ("stream", "listing", "cli"):
    try:
        module = importlib.import_module(f"{sys.argv[1]}.{name}")
    except ModuleNotFoundError:
        continue
import runtime_core.telemetry.simulated.source, runtime_core.telemetry.host
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sys.argv = sys.argv[1:]
module.main()
"""


def one_line(done, status):
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


def test_an_unknown_instance_type(command):
    assert "inf1.24xlarge" in one_line(command("neuron_tools.sim", "up", "--instance-type", "inf2.xlarge"), 2)


def test_a_directory_that_is_not_ours(command, root):
    root.mkdir()
    (root / "photos").mkdir()
    assert "not a node directory" in one_line(command("neuron_tools.sim", "up"), 1)
    assert "no Neuron node" in one_line(command("neuron_tools.sim", "down"), 1)
    assert (root / "photos").is_dir()


@pytest.mark.parametrize("program", ["neuron_ls", "neuron_monitor"])
@pytest.mark.parametrize(
    "content",
    [b"", b"junk" * 5_000_000, b"NRNSIMDS\x07" + bytes(20_000_000)],
    ids=["empty", "junk", "other-version"],
)
def test_a_corrupt_datastore(command, node, program, content):
    (node / "datastore").write_bytes(content)
    one_line(command(program), 1)
    one_line(command("neuron_tools.sim", "status"), 1)


def test_down_while_it_is_used(command, spawn, node, squeezenet_neff, wait):
    spawn("neuron_tools.sim", "run", squeezenet_neff, "--no-numerics", "--duration", "0", "--rate", "10")
    wait(lambda: open_source().snapshot().runtimes)
    assert "in use" in one_line(command("neuron_tools.sim", "down"), 1)
    assert len(open_source().snapshot().runtimes) == 1


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["run", "none.neff"], 2),
        (["run", "FILE", "--rate", "-1"], 2),
        (["run", "FILE", "--threads", "1000000"], 2),
        (["run", "FILE", "--visible-cores", "banana"], 1),
        (["run", "FILE", "--visible-cores", "99"], 1),
    ],
)
def test_what_cannot_be_run(command, node, tmp_path, arguments, status):
    file = tmp_path / "m.neff"
    file.write_bytes(b"junk")
    arguments = [str(file) if a == "FILE" else a for a in arguments]
    done = command("neuron_tools.sim", *arguments, NEURON_RT_LOG_LEVEL="QUIET")
    one_line(done, status)


def test_a_neff_that_is_junk(command, node, tmp_path):
    file = tmp_path / "m.neff"
    file.write_bytes(b"\x09" * 2000)
    assert "packaging" in one_line(command("neuron_tools.cc", "inspect", file), 1)
    done = command("neuron_tools.sim", "run", file, NEURON_RT_LOG_LEVEL="QUIET")
    assert "packaging" in one_line(done, 1)


@pytest.mark.parametrize("content", [b"\x09" * 2000, b"short"])
def test_errors_in_a_neff_name_its_file(command, node, tmp_path, squeezenet_neff, content):
    file = tmp_path / "b.neff"
    file.write_bytes(content)
    for module, *arguments in (
        ("neuron_tools.sim", "run", "--no-numerics", squeezenet_neff, file),
        ("neuron_tools.sim", "run", "--no-numerics", "--processes", "2", squeezenet_neff, file),
        ("neuron_tools.cc", "inspect", file),
        ("neuron_tools.bench", file),
    ):
        done = command(module, *arguments, NEURON_RT_LOG_LEVEL="QUIET")
        assert f": {file}: " in one_line(done, 1)


@pytest.mark.parametrize("command_line", [("neuron_tools.sim", "run"), ("neuron_tools.bench",)])
def test_a_model_that_is_not_a_regular_file(command, node, tmp_path, command_line):
    for path, text in ((tmp_path, "not a regular file but a directory"), ("/dev/null", "but a device"),
                       (tmp_path / "none", "model file not found")):  # fmt: skip
        assert text in one_line(command(*command_line, path), 2)


@pytest.mark.skipif(os.getuid() != 0, reason="becoming another user needs root")
def test_another_users_node(tmp_path, root):
    set_up(root)
    # Other users can reach the node's directory, but the node itself is private.
    for folder in (tmp_path, *list(tmp_path.parents)[:-2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    for module in ("neuron_ls", "neuron_monitor"):
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, module], capture_output=True, text=True, timeout=60, env=os.environ
        )
        assert "no permission" in one_line(done, 1)


def test_a_disk_with_no_room(command, tmp_path):
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(mount)], capture_output=True)
    if made.returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        done = command("neuron_tools.sim", "up", NEURON_SIM_ROOT=str(mount / "node"))
        assert "no space on the disk" in one_line(done, 1)
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_a_disk_with_room_for_the_node_and_not_for_a_runtime(command, tmp_path, squeezenet_neff):
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "none", str(mount)], capture_output=True)
    if made.returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        environment = {"NEURON_SIM_ROOT": str(mount / "node")}
        assert command("neuron_tools.sim", "up", **environment).returncode == 0
        done = command("neuron_tools.sim", "run", squeezenet_neff, "--duration", "1", **environment)
        assert "no space on the disk" in one_line(done, 1)
        assert command("neuron_ls", **environment).returncode == 0
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_a_message_that_quotes_a_file_does_not_drive_the_terminal(command, tmp_path):
    onnx = pytest.importorskip("onnx")
    value = onnx.helper.make_tensor_value_info("x", 1, [1]), onnx.helper.make_tensor_value_info("y", 1, [1])
    node = onnx.helper.make_node("Frob\x1b[31m", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "g", value[:1], value[1:])
    path = tmp_path / "m.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8), path)
    assert "\x1b" not in one_line(command("neuron_tools.cc", "compile", path), 1)


def test_an_ascii_locale_shows_what_it_can(node):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    arguments = [sys.executable, "-m", "neuron_ls", "--topology"]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert "[ 0 ]????[ 1 ]" in done.stdout
