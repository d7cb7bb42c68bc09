"""Selecting a source, and a node that appears and disappears."""

import pytest

from runtime_core.driver.node import set_up, take_down
from runtime_core.telemetry import NodeNotFoundError, UsageError, open_source


def test_the_flag_wins_over_the_environment(node, monkeypatch, tmp_path):
    monkeypatch.setenv("NEURON_SOURCE", f"sysfs:{tmp_path}")
    assert open_source("sim").name == f"sim:{node}"


def test_an_unknown_source_is_a_usage_error():
    with pytest.raises(UsageError, match="sysfs:ROOT"):
        open_source("telepathy")


def test_a_node_that_comes_back_is_seen_again(root):
    source = open_source("sim")
    with pytest.raises(NodeNotFoundError, match="neuron-sim up"):
        source.snapshot()
    set_up(root, type_name="inf1.xlarge")
    assert len(source.snapshot().devices) == 1
    take_down(root)
    with pytest.raises(NodeNotFoundError):
        source.snapshot()
    set_up(root, type_name="inf1.24xlarge")
    assert len(source.snapshot().devices) == 16


def test_looking_changes_nothing(node):
    before = (node / "datastore").read_bytes()
    open_source().snapshot(host=True)
    assert (node / "datastore").read_bytes() == before


def test_the_hosts_figures_come_only_when_asked_for(node):
    assert open_source().snapshot().host is None
    host = open_source().snapshot(host=True).host
    assert host.memory_total_bytes > host.memory_used_bytes > 0
