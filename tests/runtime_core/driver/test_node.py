"""A node is set up completely, refused if it belongs to another user, and removed without leftovers."""

import errno
import json
import os
import stat

import pytest

from runtime_core.driver import layout
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.node import open_or_set_up, read_info, set_up, take_down
from runtime_core.errors import DatastoreError, NodeError, NodeNotFoundError, UsageError


def test_a_node_is_private_and_describes_itself(root):
    info = set_up(root, type_name="inf1.24xlarge", instance_id="i-0abc", seed=7)
    assert (info.instance_type, info.instance_id, info.seed) == ("inf1.24xlarge", "i-0abc", 7)
    assert read_info(root) == info
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert json.loads((root / "node.json").read_text())["format"] == "neuron-sim-node"


def test_the_first_use_makes_an_inf1_6xlarge(root):
    store = open_or_set_up(root)
    assert store.size.name == "inf1.6xlarge"
    store.close()


def test_the_environment_chooses_the_size(root, monkeypatch):
    monkeypatch.setenv("NEURON_SIM_INSTANCE_TYPE", "inf1.xlarge")
    assert set_up(root).instance_type == "inf1.xlarge"


def test_setting_up_again_changes_nothing(root):
    assert set_up(root, type_name="inf1.xlarge") == set_up(root) == set_up(root, type_name="inf1.xlarge")


def test_another_size_on_the_same_node_is_refused(root):
    set_up(root, type_name="inf1.xlarge")
    with pytest.raises(NodeError, match="already exists"):
        set_up(root, type_name="inf1.24xlarge")


def test_the_seed_makes_the_identity(tmp_path):
    ids = {set_up(tmp_path / str(i), seed=seed).instance_id for i, seed in enumerate((1, 1, 2))}
    assert len(ids) == 2


def test_an_unknown_size_is_a_usage_error(root):
    with pytest.raises(UsageError):
        set_up(root, type_name="p4d.24xlarge")
    assert not root.exists()


def test_a_directory_with_other_files_is_not_touched(root):
    root.mkdir()
    (root / "thesis.tex").write_text("x")
    with pytest.raises(NodeError, match=r"thesis\.tex"):
        set_up(root)
    assert [p.name for p in root.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_place_of_the_directory(root):
    root.write_text("x")
    with pytest.raises(NodeError, match="not a directory"):
        set_up(root)


def test_no_room_on_the_disk_leaves_nothing_half_done(root, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(NodeError, match="no space on the disk"):
        set_up(root)
    assert not (root / "node.json").exists()
    assert not [p for p in root.iterdir() if "datastore" in p.name]
    monkeypatch.undo()
    assert set_up(root)


def test_taking_down_leaves_no_file(node):
    take_down(node)
    assert not node.exists()
    with pytest.raises(NodeNotFoundError):
        take_down(node)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[:5000]), "truncated"),
        (lambda p: p.write_bytes(b"\0" * layout.FILE_BYTES), "not a Neuron datastore"),
        (lambda p: p.write_bytes(p.read_bytes()[:8] + b"\x63" + p.read_bytes()[9:]), "layout 99"),
        (lambda p: p.write_bytes(p.read_bytes()[:12] + b"\xff" * 20 + p.read_bytes()[32:]), "corrupt"),
    ],
)
def test_a_broken_datastore_is_refused_in_one_line(node, damage, says):
    damage(node / "datastore")
    with pytest.raises(DatastoreError, match=says) as caught:
        Datastore(node)
    assert "\n" not in str(caught.value)
    assert "neuron-sim" in str(caught.value)
    take_down(node, force=True)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"format": "neuron-sim-node"}'])
def test_a_broken_description_is_refused(node, content):
    (node / "node.json").write_bytes(content)
    with pytest.raises(DatastoreError, match=r"node\.json"):
        read_info(node)


def test_no_node_at_all(root):
    with pytest.raises(NodeNotFoundError, match="neuron-sim up"):
        Datastore(root)
