"""Processes that only watch a node."""

import os

import pytest
from worlds import BUSY, make_snapshot

from neuron_ls.watchers import find_watchers, reads_tree

REAL = "/sys/devices/virtual/neuron_device"


@pytest.mark.parametrize(
    ("command", "root", "watches"),
    [
        ("/usr/bin/neuron-top", REAL, True),
        ("/venv/bin/python /venv/bin/neuron-monitor -c m.conf", REAL, True),
        ("python3 -m neuron_top --source sysfs", REAL, True),
        ("neuron-top --source sim", REAL, False),
        ("neuron-top", "/tmp/tree", False),
        ("neuron-top --source sysfs:/tmp/tree", "/tmp/tree", True),
        ("neuron-top --source=sysfs:/tmp/tree", "/tmp/tree", True),
        ("neuron-top --source sysfs:/tmp/tree", REAL, False),
        ("vi neuron-top.md", REAL, False),
        ("", REAL, False),
    ],
)
def test_a_viewer_is_known_by_its_command_line(command, root, watches):
    assert reads_tree(command.split(" "), root) is watches


def test_at_a_tree_this_process_watches():
    snapshot = make_snapshot(runtimes=BUSY)._replace(source="sysfs:/tmp/tree")
    assert [w.pid for w in find_watchers(snapshot)] == [os.getpid()]


def test_a_process_that_uses_a_core_is_no_watcher(tmp_path):
    for pid in (101, 300):
        (tmp_path / str(pid) / "fd").mkdir(parents=True)
        (tmp_path / str(pid) / "fd" / "3").symlink_to("/node/datastore")
        (tmp_path / str(pid) / "cmdline").write_bytes(b"neuron-top\0--interval\0005\0")
    (tmp_path / "400").mkdir()
    snapshot = make_snapshot(runtimes=BUSY)._replace(source="sim:/node")
    assert find_watchers(snapshot, tmp_path) == ((300, "neuron-top --interval 5"),)
