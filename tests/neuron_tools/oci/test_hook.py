"""A container gets the Neuron Devices that it requests, and its image cannot redirect the hook."""

import json
import os
import subprocess
import sys
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuron_tools.oci.container import read_container
from neuron_tools.oci.hook import device_files, real_binds, simulated_binds, wanted_devices
from neuron_tools.oci.mounts import open_below
from runtime_core.driver.paths import VISIBLE_FILE
from runtime_core.errors import NodeError, UsageError


@pytest.fixture
def bundle(tmp_path):
    """Make a bundle; returns the state that a runtime passes to its hooks."""

    def make(*env, uid=0, pid=None):
        (tmp_path / "bundle/rootfs").mkdir(parents=True)
        config = {"root": {"path": "rootfs"}, "process": {"env": ["PATH=/bin", *env], "user": {"uid": uid}}}
        (tmp_path / "bundle/config.json").write_text(json.dumps(config))
        return {
            "ociVersion": "1.0.2",
            "id": "c1",
            "status": "created",
            "pid": os.getpid() if pid is None else pid,
            "bundle": str(tmp_path / "bundle"),
        }

    return make


@pytest.mark.parametrize(
    ("text", "devices"),
    [("ALL", (0, 1, 2, 3)), ("all", (0, 1, 2, 3)), ("2", (2,)), ("3,1", (1, 3)), ("0-2", (0, 1, 2))],
)
def test_devices_are_named_as_for_the_runtime(text, devices):
    assert wanted_devices(text, range(4)) == devices


@pytest.mark.parametrize("text", ["x", "-1", "1-", "4", "0,9", "1;2", "0x1", "9" * 50])
def test_what_names_no_device_of_the_node_is_refused_in_a_line(text):
    with pytest.raises(UsageError, match="AWS_NEURON_VISIBLE_DEVICES") as failure:
        wanted_devices(text, range(4))
    assert "\n" not in str(failure.value)


def test_the_state_and_the_bundle_tell_of_the_container(bundle):
    container = read_container(json.dumps(bundle("AWS_NEURON_VISIBLE_DEVICES=0", "EMPTY", "A=b=c", uid=7)).encode())
    assert container.environment["AWS_NEURON_VISIBLE_DEVICES"] == "0"
    assert container.environment["A"] == "b=c"
    assert (container.uid, container.rootfs.name) == (7, "rootfs")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bundle": "relative"}, "absolute"),
        ({"bundle": "/nowhere"}, "cannot read"),
        ({"pid": 0}, "createRuntime"),
        ({"pid": "1"}, "specification"),
    ],
)
def test_a_state_that_is_none_is_refused(bundle, change, said):
    with pytest.raises(UsageError, match=said):
        read_container(json.dumps({**bundle(), **change}).encode())


@given(st.binary(max_size=200) | st.text(max_size=50).map(lambda t: b'{"id":"%b","pid":1,"bundle":"/x"}' % t.encode()))
def test_no_stdin_breaks_it(raw):
    with pytest.raises(UsageError):
        read_container(raw)


@given(st.binary(max_size=200))
def test_no_config_breaks_it(tmp_path_factory, raw):
    bundle = tmp_path_factory.getbasetemp()
    (bundle / "config.json").write_bytes(raw)
    with pytest.raises(UsageError):
        read_container(json.dumps({"id": "c", "pid": 1, "bundle": str(bundle)}).encode())


def test_a_real_nodes_devices_stay_what_they_are(tmp_path):
    for name in ("neuron0", "neuron2", "neuron_core0", "null", "neuronx"):
        (tmp_path / name).touch()
    assert device_files(tmp_path) == [0, 2]
    (bind,) = real_binds(tmp_path, [2])
    assert (bind.source, bind.target, bind.device) == (tmp_path / "neuron2", PurePosixPath("/dev/neuron2"), True)


@pytest.mark.parametrize(
    ("env", "uid", "target"), [((), 5, "/tmp/neuron-sim-5"), (("NEURON_SIM_ROOT=/run/neuron",), 0, "/run/neuron")]
)
def test_a_simulated_node_is_where_the_containers_runtime_looks(bundle, node, env, uid, target):
    container = read_container(json.dumps(bundle(*env, uid=uid)).encode())
    directory, visible = simulated_binds(container, node, (1, 3), 4)
    assert (directory.source, str(directory.target)) == (node, target)
    assert (visible.source.read_text(), str(visible.target), visible.read_only) == (
        "1,3\n",
        f"{target}/{VISIBLE_FILE}",
        True,
    )
    assert (node / VISIBLE_FILE).read_text() == "0,1,2,3\n"


def test_targets_are_made_below_the_root(tmp_path):
    for target, directory in (("/run/neuron", True), ("/dev/neuron0", False), ("/run/neuron", True)):
        os.close(open_below(tmp_path, PurePosixPath(target), directory=directory))
    assert (tmp_path / "run/neuron").is_dir()
    assert (tmp_path / "dev/neuron0").is_file()


@pytest.mark.parametrize("target", ["/run/neuron", "/run"])
def test_a_link_in_the_image_leads_nowhere(tmp_path, target):
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "root/run").symlink_to(outside)
    with pytest.raises(NodeError, match="symbolic link"):
        open_below(tmp_path / "root", PurePosixPath(target), directory=True)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("target", ["relative", "/", "/../etc", "/run/../../etc"])
def test_a_target_that_is_no_place_of_the_container_is_refused(tmp_path, target):
    with pytest.raises(NodeError, match="absolute path"):
        open_below(tmp_path, PurePosixPath(target), directory=True)


def run_hook(state, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "neuron_tools.oci", *map(str, arguments)],
        input=json.dumps(state), capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_a_container_that_asks_for_nothing_gets_nothing(bundle, node, tmp_path):
    done = run_hook(bundle(), "--node", node)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list((tmp_path / "bundle/rootfs").iterdir()) == []


def test_a_node_that_is_not_there_stops_the_container_with_a_line(bundle, tmp_path):
    done = run_hook(bundle("AWS_NEURON_VISIBLE_DEVICES=ALL"), "--node", tmp_path / "none", "--dev", tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "neuron-sim up" in done.stderr


@pytest.fixture
def waiting_process(tmp_path):
    """A process in a separate mount namespace, like a container's first process when the hooks run."""
    command = ["unshare", "--mount", "sh", "-c", "echo up; read _"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    if process.stdout.readline() != "up\n":
        process.communicate()
        pytest.skip("mount namespaces are not for this user")
    yield process
    process.communicate()


def inside(process, *command):
    done = subprocess.run(["nsenter", "-t", str(process.pid), "-m", *map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_bundle_made_by_hand_sees_the_node_and_the_host_sees_no_mount(bundle, node, tmp_path, waiting_process):
    state = bundle("AWS_NEURON_VISIBLE_DEVICES=1", "NEURON_SIM_ROOT=/run/neuron", pid=waiting_process.pid)
    done = run_hook(state, "--node", node)
    assert (done.returncode, done.stderr) == (0, "")
    there = tmp_path / "bundle/rootfs/run/neuron"
    assert "datastore" in inside(waiting_process, "ls", there)
    assert inside(waiting_process, "cat", there / VISIBLE_FILE) == "1\n"
    assert (node / VISIBLE_FILE).read_text() == "0,1,2,3\n"
    assert list(there.iterdir()) == []
    listed = inside(
        waiting_process, "env", f"NEURON_SIM_ROOT={there}", sys.executable, "-m", "neuron_ls", "-j", "--source", "sim"
    )
    assert [d["neuron_device"] for d in json.loads(listed)] == [1]


def test_device_files_of_a_real_node(bundle, tmp_path, waiting_process):
    dev = tmp_path / "dev"
    dev.mkdir()
    (dev / "neuron0").write_text("zero")
    (dev / "neuron1").write_text("one")
    state = bundle("AWS_NEURON_VISIBLE_DEVICES=1", pid=waiting_process.pid)
    assert run_hook(state, "--dev", dev).returncode == 0
    assert inside(waiting_process, "cat", tmp_path / "bundle/rootfs/dev/neuron1") == "one"
    assert inside(waiting_process, "ls", tmp_path / "bundle/rootfs/dev") == "neuron1\n"
