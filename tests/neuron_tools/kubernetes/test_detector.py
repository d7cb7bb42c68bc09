"""The detector's problems of a node, its reports to a real API server, and its recovery."""

import json
import subprocess
import sys

import pytest
from conftest import wait_for

from neuron_tools.kubernetes import names
from neuron_tools.kubernetes.cluster import OfficialCluster
from neuron_tools.kubernetes.detector.detect import Detector, Stage
from neuron_tools.kubernetes.detector.logs import FileLog
from neuron_tools.kubernetes.detector.problems import PUBLISHED, problem_of_line
from neuron_tools.kubernetes.detector.report import Reporter
from neuron_tools.kubernetes.rehearsal.apiserver import ApiServer
from neuron_tools.kubernetes.resets import reset_counts, resetter_for
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.faults.ecc import SRAM_UNCORRECTED, count_ecc
from runtime_core.driver.node import set_up
from runtime_core.driver.reset import reset_device
from runtime_core.errors import NeuronError, NodeError
from runtime_core.telemetry import open_source

LINE = (
    "neuron: NEURON_HW_ERR=SRAM_UNCORRECTABLE_ERROR instance-id=i-1 hostname=ip-1 nd-id=2 nc-id=0 "
    "serial-num=19fcda00f5ff6eb9 action=TERMINATE_INSTANCE"
)


@pytest.fixture
def api():
    server = ApiServer()
    server.store.add("nodes", {"metadata": {"name": "n"}, "spec": {}, "status": {}})
    yield server
    server.close()


@pytest.fixture
def big_node(root):
    set_up(root, type_name="inf1.6xlarge")
    store = Datastore(root, writable=True)
    yield store
    store.close()


@pytest.fixture
def source(big_node, root):
    opened = open_source(f"sim:{root}")
    yield opened
    opened.close()


def condition(api):
    return api.store.get("nodes", ("", "n"))["status"]["conditions"][0]


def pod(name, where="n"):
    container = {"name": "main", "resources": {"limits": {names.DEVICE_RESOURCE: "1"}}}
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"nodeName": where, "containers": [container]},
        "status": {"phase": "Running"},
    }


def test_a_published_line_is_read_and_other_lines_are_not():
    problem = problem_of_line(LINE)
    assert (problem.reason, problem.device) == ("NeuronHasError_SRAM_UNCORRECTABLE_ERROR", 2)
    for error in PUBLISHED:
        assert problem_of_line(f"kernel: NEURON_HW_ERR={error} nd-id=0").error == error
    # The published rules require text and a space before the token.
    assert problem_of_line("NEURON_HW_ERR=DMA_ERROR nd-id=0") is None
    assert problem_of_line("neuron: all is well") is None
    assert problem_of_line("\0\x1b[2J" * 1000) is None


def test_a_condition_and_an_event_tell_of_ecc_and_end_with_a_reset(api, big_node, source):
    detector = Detector(Reporter(OfficialCluster(api.url), "n"), resets=reset_counts(source))
    assert detector.look(source.snapshot()).healthy
    assert (condition(api)["status"], condition(api)["reason"]) == ("True", "NeuronHasNoError")
    count_ecc(big_node, 1, SRAM_UNCORRECTED, 2)
    state = detector.look(source.snapshot())
    assert [(p.reason, p.device) for p in state.problems] == [("NeuronHasError_SRAM_UNCORRECTABLE_ERROR", 1)]
    assert (condition(api)["status"], condition(api)["type"]) == ("False", "NeuronHealth")
    assert [e["reason"] for e in api.store.all("events")] == ["NeuronHasError_SRAM_UNCORRECTABLE_ERROR"]
    assert not detector.look(source.snapshot()).healthy
    reset_device(big_node, 1)
    assert detector.look(source.snapshot()).healthy
    assert condition(api)["status"] == "True"


def test_the_condition_can_have_the_polarity_of_node_problem_detector(api, big_node, source):
    detector = Detector(Reporter(OfficialCluster(api.url), "n", problem_is_true=True))
    detector.look(source.snapshot())
    assert condition(api)["status"] == "False"
    detector.look(source.snapshot(), [LINE])
    assert condition(api)["status"] == "True"


def test_recovery_drains_resets_and_uncordons(api, big_node, source):
    cluster = OfficialCluster(api.url)
    detector = Detector(Reporter(cluster, "n"), resetter_for(source), settle_ns=0, resets=reset_counts(source))
    api.store.add("pods", pod("mine"))
    api.store.add("pods", pod("elsewhere", "other"))
    detector.look(source.snapshot())
    count_ecc(big_node, 2, SRAM_UNCORRECTED, 1)
    detector.look(source.snapshot())
    assert api.store.get("nodes", ("", "n"))["spec"]["unschedulable"] is True
    assert [p["metadata"]["name"] for p in api.store.all("pods")] == ["elsewhere"]
    detector.look(source.snapshot())
    assert detector.stage is Stage.SETTLING
    assert big_node.reset_count(2) == 1
    assert big_node.reset_count(0) == 0
    detector.look(source.snapshot())
    assert "unschedulable" not in api.store.get("nodes", ("", "n"))["spec"]
    assert detector.stage is Stage.WATCHING
    assert [e["reason"] for e in api.store.all("events")][-1] == "NeuronNodeRecovered"


def test_a_reset_that_fails_leaves_the_node_cordoned(api, big_node, source):
    class Stubborn:
        def reset(self, device):
            raise NodeError("the device does not answer")

    detector = Detector(Reporter(OfficialCluster(api.url), "n"), Stubborn(), drain_ns=0)
    for lines in ([], [LINE], [], []):
        detector.look(source.snapshot(), lines)
    assert detector.stage is Stage.GIVEN_UP
    assert api.store.get("nodes", ("", "n"))["spec"]["unschedulable"] is True
    assert "the device does not answer" in api.store.all("events")[-1]["message"]


def test_an_api_server_that_is_away_is_asked_again(api, big_node, source):
    url = api.url
    detector = Detector(Reporter(OfficialCluster("http://127.0.0.1:9"), "n"))
    assert detector.look(source.snapshot()).healthy
    detector = Detector(Reporter(OfficialCluster(url), "n"))
    detector.look(source.snapshot(), [LINE])
    assert condition(api)["reason"] == "NeuronHasError_SRAM_UNCORRECTABLE_ERROR"


def test_a_log_is_followed_over_rotation_truncation_and_absence(tmp_path):
    path = tmp_path / "kernel.log"
    log = FileLog(path)
    assert list(log.lines()) == []
    path.write_text("one\ntwo\nth")
    assert list(log.lines()) == ["one", "two"]
    with path.open("a") as file:
        file.write("ree\n")
    assert list(log.lines()) == ["three"]
    path.rename(tmp_path / "kernel.log.1")
    path.write_text("four\n")
    assert [*log.lines(), *log.lines()] == ["four"]
    path.write_text("5\n")
    assert list(log.lines()) == ["5"]
    log.close()
    old = FileLog(path)
    assert list(old.lines()) == []
    old.close()


def test_a_log_that_is_no_file_is_refused(tmp_path):
    import os

    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(NeuronError, match="not a regular file"):
        FileLog(tmp_path / "fifo")


def detect(*arguments):
    command = [sys.executable, "-m", "neuron_tools.kubernetes.detector", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_once_has_an_exit_status(big_node):
    done = detect("--once", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "healthy": True, "reason": "NeuronHasNoError", "message": "Neuron has no error", "stage": "watching",
        "problems": [],
    }  # fmt: skip


def test_once_needs_the_log_that_it_is_given(big_node, tmp_path):
    done = detect("--once", "--log", str(tmp_path / "missing.log"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "log file not found" in done.stderr


def test_settings_that_make_no_sense(big_node, monkeypatch):
    monkeypatch.delenv("NODE_NAME", raising=False)
    for arguments in ([], ["--no-cluster", "--recover"], ["--node-name", "n", "--server", "ftp://x"]):
        done = detect(*arguments)
        assert done.returncode == 2, done
        assert len(done.stderr.splitlines()) == 1


def test_as_a_process_it_follows_a_log(api, big_node, tmp_path):
    log = tmp_path / "kernel.log"
    command = [sys.executable, "-m", "neuron_tools.kubernetes.detector", "--node-name", "n", "--server", api.url]
    process = subprocess.Popen([*command, "--log", str(log), "--period", "0.2"], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: "conditions" in api.store.get("nodes", ("", "n"))["status"], what="the condition")
        log.write_text(f"{LINE}\n")
        wait_for(lambda: condition(api)["status"] == "False", what="the problem")
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
