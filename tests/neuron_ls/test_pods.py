"""The pods of processes, if a kubelet runs."""

import pytest
from worlds import make_runtime, make_snapshot

from neuron_ls.listing import View, render
from neuron_tools.kubernetes.rehearsal.kubelet import Container, Kubelet
from runtime_core.telemetry.kubelet.holdings import Holding
from runtime_core.telemetry.kubelet.pods import pods_by_core, read_holdings


@pytest.fixture
def snapshot():
    return make_snapshot(runtimes=(make_runtime(1, 40, [0, 1], "web"), make_runtime(1, 41, [4, 5], "bare")))


def test_a_wide_table_names_the_pod_of_each_process(snapshot):
    pods = pods_by_core([Holding("web-0", "prod", "main", "aws.amazon.com/neuron", ("0",))], snapshot)
    text = render(snapshot, View(wide=True), pods=pods)
    (line,) = [line for line in text.splitlines() if "| 40 " in line]
    assert line.rstrip("| ").endswith("prod/web-0")
    (other,) = [line for line in text.splitlines() if "| 41 " in line]
    assert other.rstrip("| ").endswith("NA")
    assert "POD" in text


def test_without_a_kubelet_there_is_no_column(snapshot, monkeypatch, tmp_path):
    monkeypatch.setenv("NEURON_POD_RESOURCES_SOCKET", str(tmp_path / "none"))
    assert read_holdings() is None
    assert "POD" not in render(snapshot, View(wide=True))


def test_the_kubelet_is_asked_over_its_socket(snapshot, monkeypatch):
    kubelet = Kubelet()
    try:
        kubelet.held[Container("web-0", "prod"), "aws.amazon.com/neuroncore"] = ["4", "5"]
        monkeypatch.setenv("NEURON_POD_RESOURCES_SOCKET", str(kubelet.pod_resources))
        assert pods_by_core(read_holdings(), snapshot) == {4: "prod/web-0", 5: "prod/web-0"}
    finally:
        kubelet.close()
