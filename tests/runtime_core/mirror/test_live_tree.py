"""The mounted tree shows the node at the time of each read."""

import errno
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import tiny_neff

from neuron_tools.sim import mount_command
from runtime_core.driver.node import set_up, take_down
from runtime_core.errors import NodeError, NodeNotFoundError
from runtime_core.mirror.live_tree import EntryKind, LiveTree
from runtime_core.mirror.reader import NodeMirror
from runtime_core.nrt import NrtError, NrtStatus, Runtime

SUCCESS = "neuron0/neuron_core0/stats/status/success"


def infer(runtime, model, count):
    for _ in range(count):
        runtime.infer(model, {"x": np.ones((2, 3), np.float32)})


@pytest.fixture
def tree(node):
    opened = LiveTree()
    yield opened
    opened.close()


@pytest.fixture
def runtime(node):
    with Runtime(environment={"NEURON_RT_VISIBLE_CORES": "0-1", "NEURON_RT_LOG_LEVEL": "QUIET"}) as opened:
        yield opened


def refused(call, *arguments):
    with pytest.raises(OSError) as failure:
        call(*arguments)
    return failure.value.errno


def files_below(tree, path=""):
    for name in tree.names(path):
        child = f"{path}/{name}".lstrip("/")
        if tree.kind(child) is EntryKind.DIRECTORY:
            yield from files_below(tree, child)
        else:
            yield child


def test_it_holds_what_an_export_holds_and_the_resets(tree, runtime, tmp_path):
    infer(runtime, runtime.load(tiny_neff()), 2)
    NodeMirror(tmp_path / "export").refresh()
    exported = {
        str(path.relative_to(tmp_path / "export")): path.read_bytes()
        for path in (tmp_path / "export").rglob("*")
        if path.is_file()
    }
    mounted = {path: tree.read(path) for path in files_below(tree) if tree.kind(path) is not EntryKind.RESET}
    assert mounted == exported
    assert [p for p in files_below(tree) if tree.kind(p) is EntryKind.RESET] == [f"neuron{d}/reset" for d in range(4)]


def test_a_counter_is_read_when_it_is_asked_for_and_cleared_when_it_is_written(tree, runtime):
    model = runtime.load(tiny_neff())
    assert tree.read(f"{SUCCESS}/total") == b"0\n"
    infer(runtime, model, 3)
    assert tree.read(f"{SUCCESS}/total") == b"3\n"
    tree.write(f"{SUCCESS}/present", b"anything\n")
    assert (tree.read(f"{SUCCESS}/total"), tree.read(f"{SUCCESS}/present")) == (b"0\n", b"0\n")
    infer(runtime, model, 1)
    assert tree.read(f"{SUCCESS}/total") == b"1\n"


def test_the_peak_of_memory_is_cleared_to_what_is_used(tree, runtime):
    memory = "neuron0/neuron_core0/stats/memory_usage/device_mem"
    model = runtime.load(tiny_neff(), 0)
    peak = tree.read(f"{memory}/peak")
    runtime.unload(model)
    assert tree.read(f"{memory}/peak") == peak != b"0\n"
    tree.write(f"{memory}/peak", b"0")
    assert tree.read(f"{memory}/peak") == tree.read(f"{memory}/present") == b"0\n"


def test_a_device_in_use_is_reset_by_force_alone(tree, runtime):
    model = runtime.load(tiny_neff())
    tree.write("neuron1/reset", b"1\n")
    assert refused(tree.write, "neuron0/reset", b"1\n") == errno.EBUSY
    infer(runtime, model, 1)
    tree.write("neuron0/reset", b"force\n")
    with pytest.raises(NrtError) as failure:
        infer(runtime, model, 1)
    assert failure.value.status is NrtStatus.EXEC_UNIT_UNRECOVERABLE
    counts = [tree.read(f"neuron0/neuron_core3/stats/other_info/reset_{n}_count/total") for n in ("req", "fail")]
    assert counts == [b"2\n", b"1\n"]


def test_what_can_not_be_done_is_refused_as_a_file_system_does(tree):
    assert refused(tree.read, "neuron9/core_count") == errno.ENOENT
    assert refused(tree.read, "neuron0") == errno.EISDIR
    assert refused(tree.read, "neuron0/reset") == errno.EACCES
    assert refused(tree.write, "neuron0/core_count", b"5") == errno.EACCES
    assert refused(tree.write, "mirror.json", b"{}") == errno.EACCES
    assert refused(tree.write, "neuron0", b"") == errno.EISDIR
    assert refused(tree.names, "neuron0/core_count") == errno.ENOTDIR


def test_a_node_that_is_gone_or_another_one(tree, node):
    take_down()
    assert refused(tree.read, f"{SUCCESS}/total") == errno.ENODEV
    assert refused(tree.write, f"{SUCCESS}/total", b"1") == errno.ENODEV
    set_up(node, type_name="inf1.xlarge")
    assert tree.read(f"{SUCCESS}/total") == b"0\n"
    assert refused(tree.read, SUCCESS.replace("neuron0", "neuron3") + "/total") == errno.ENODEV


PARTS = st.sampled_from(["neuron0", "neuron_core0", "stats", "reset", "..", "", "\0"])
PATHS = st.text(max_size=30) | st.lists(PARTS).map("/".join)


@settings(max_examples=60)
@given(path=PATHS, data=st.binary(max_size=20))
def test_no_path_and_no_data_breaks_it(tmp_path_factory, path, data):
    root = tmp_path_factory.getbasetemp() / "any-node"
    set_up(root, type_name="inf1.xlarge")
    tree = LiveTree(root)
    for call, arguments in ((tree.kind, ()), (tree.names, ()), (tree.read, ()), (tree.write, (data,))):
        try:
            call(path, *arguments)
        except OSError as error:
            assert error.errno in errno.errorcode
    tree.close()


def test_no_node_no_tree():
    with pytest.raises(NodeNotFoundError):
        LiveTree()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda d: None, "mkdir"),
        (lambda d: d.write_text(""), "not a directory"),
        (lambda d: (d.mkdir(), (d / "x").touch()), "not empty"),
    ],
)
def test_where_nothing_can_be_mounted_a_line_says_why(tmp_path, make, said):
    make(tmp_path / "mnt")
    with pytest.raises(NodeError, match=said):
        mount_command._check_directory(tmp_path / "mnt")


def test_where_fuse_is_missing_a_line_names_the_way_around(tmp_path):
    with pytest.raises(NodeError, match="sysfs --export"):
        mount_command._check_device(tmp_path / "fuse")
    if os.getuid():
        (tmp_path / "fuse").touch(mode=0)
        with pytest.raises(NodeError, match="access"):
            mount_command._check_device(tmp_path / "fuse")
