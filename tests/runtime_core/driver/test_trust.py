"""A node that another user owns or can write is not used unless the user allows it, and cannot block the reader."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from runtime_core import nrt
from runtime_core.driver.node import read_info, set_up, take_down
from runtime_core.driver.trust import UntrustedNodeError
from runtime_core.errors import DatastoreError, NodeError
from runtime_core.telemetry import open_source

NOBODY = 65534
as_root = pytest.mark.skipif(os.getuid() != 0, reason="giving files to another user needs root")


def uses(root):
    """All functions that open a node."""
    return (
        lambda: open_source(f"sim:{root}").snapshot(),
        lambda: open_source(f"sim:{root}").pin(os.getpid(), 1),
        lambda: read_info(root),
        lambda: nrt.Runtime(root=root),
        lambda: set_up(root),
        lambda: take_down(root),
    )


def assert_refused(root, words):
    for use in uses(root):
        with pytest.raises(UntrustedNodeError, match=words) as caught:
            use()
        assert "--trust-node" in caught.value.mend
    assert (root / "datastore").exists()


@as_root
def test_a_directory_of_another_user_is_refused(node):
    os.chown(node, NOBODY, NOBODY)
    assert_refused(node, "belongs to another user")


@as_root
@pytest.mark.parametrize("name", ["datastore", "locks"])
def test_a_file_of_another_user_is_refused(node, name):
    os.chown(node / name, NOBODY, NOBODY)
    for use in uses(node)[:2]:
        with pytest.raises(UntrustedNodeError, match=f"{name}: it belongs to another user"):
            use()


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o707, 0o702])
def test_a_directory_that_others_may_write_is_refused(node, mode):
    os.chmod(node, mode)
    for use in uses(node)[:4]:
        with pytest.raises(UntrustedNodeError, match="other users can write it"):
            use()
    set_up(node)
    assert node.stat().st_mode & 0o022 == 0, "setting it up makes a directory of ours private"
    open_source(f"sim:{node}").snapshot()


def test_a_file_that_others_may_write_is_refused(node):
    (node / "datastore").chmod(0o666)
    with pytest.raises(UntrustedNodeError, match="mode 0666"):
        open_source(f"sim:{node}").snapshot()


@as_root
def test_who_means_it_says_so(node, monkeypatch):
    os.chown(node, NOBODY, NOBODY)
    os.chown(node / "datastore", NOBODY, NOBODY)
    for answer, trusted in (("0", False), ("", False), ("no", False), ("1", True), ("True", True)):
        monkeypatch.setenv("NEURON_SIM_TRUST_NODE", answer)
        if trusted:
            open_source(f"sim:{node}").snapshot()
            nrt.Runtime(root=node).close()
        else:
            with pytest.raises(UntrustedNodeError):
                open_source(f"sim:{node}").snapshot()


@as_root
@pytest.mark.parametrize(
    "arguments", [("neuron_ls",), ("neuron_top", "--once"), ("neuron_monitor", "--once")], ids=lambda a: a[0]
)
def test_every_viewer_refuses_and_takes_the_flag(node, command, arguments):
    os.chown(node, NOBODY, NOBODY)
    module, *rest = arguments
    refused = command(module, *rest)
    assert refused.returncode == 1
    assert "belongs to another user (nobody): set NEURON_SIM_ROOT" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert command(module, *rest, "--trust-node").returncode == 0


@as_root
def test_a_replay_that_another_user_put_there_is_refused(root, node, command, tmp_path):
    record = tmp_path / "x.nrec"
    assert command("neuron_tools.sim", "record", record, "--duration", "1").returncode == 0
    shutil.rmtree(root)
    assert command("neuron_tools.sim", "replay", record).returncode == 0
    open_source(f"sim:{root}").snapshot()
    os.chown(root, NOBODY, NOBODY)
    with pytest.raises(UntrustedNodeError):
        open_source(f"sim:{root}").snapshot()


@as_root
def test_roots_own_node_may_be_read_by_others(node):
    for path in (node, *node.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
    shared = Path(tempfile.gettempdir())
    for parent in node.parents:
        if parent == shared:
            break
        parent.chmod(0o755)
    program = f"""
import os
from runtime_core.telemetry import open_source
open_source().snapshot()  # loads all it needs: the interpreter itself may be readable by root only
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
print(len(open_source().snapshot().devices))
"""
    made = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert made.stdout == "4\n", made.stderr


@pytest.mark.parametrize("name", ["datastore", "locks", "node.json", "visible-devices", "replay.json"])
@pytest.mark.parametrize("kind", ["fifo", "device", "socket", "directory"])
def test_what_is_no_file_is_refused_and_never_waited_for(node, command, monkeypatch, name, kind):
    if kind == "device" and os.getuid():
        pytest.skip("making a device needs root")
    path = node / name
    path.unlink(missing_ok=True)
    match kind:
        case "fifo":
            os.mkfifo(path, 0o600)
        case "device":
            path.symlink_to("/dev/zero")
        case "socket":
            import socket

            monkeypatch.chdir(node)  # a socket's path has 107 bytes at most
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(name)
        case "directory":
            path.mkdir()
    if name == "node.json":
        with pytest.raises(DatastoreError, match="not a node description"):
            read_info(node)
        return
    with pytest.raises(NodeError) as caught:
        open_source(f"sim:{node}").snapshot()
    assert str(path) in str(caught.value)
