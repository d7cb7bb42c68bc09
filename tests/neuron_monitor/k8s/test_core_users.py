"""neuron-monitor reports the pods and Slurm jobs that use the cores, in its metrics."""

import os
import subprocess
import sys
import urllib.request
from types import SimpleNamespace

import psutil
import pytest
from conftest import wait_for

from neuron_monitor import core_users
from neuron_monitor.core_users import SlurmJobs, slurm_job
from runtime_core.driver.node import set_up


@pytest.fixture
def scrape(tmp_path):
    processes = []

    def start(*arguments):
        command = [sys.executable, "-m", "neuron_monitor", "--prometheus", "--web.listen-address", "127.0.0.1:0"]
        config = tmp_path / "monitor.json"
        config.write_text('{"period": "200ms", "system_metrics": [{"type": "memory_info"}]}')
        process = subprocess.Popen([*command, "-c", str(config), *arguments])
        processes.append(process)

        def listening():
            sockets = psutil.Process(process.pid).net_connections(kind="tcp")
            return next((s.laddr.port for s in sockets if s.status == psutil.CONN_LISTEN), None)

        port = wait_for(listening, what="the port")

        def page():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                return answer.read().decode()

        return page

    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_pods_of_the_kubelet_are_on_the_metrics_page(root, kubelet, scrape):
    set_up(root, type_name="inf1.xlarge")
    kubelet.tell(("web-0", "main", "aws.amazon.com/neuroncore", ["1", "2"]))
    page = scrape("--kubernetes", "--pod-resources-socket", str(kubelet.socket))
    wait_for(lambda: "neuroncore_pod_info{" in page(), what="the pods")
    lines = [line for line in page().splitlines() if line.startswith("neuroncore_pod_info{")]
    assert len(lines) == 2
    labels = 'neuroncore="1",neuron_device_index="0",pod_namespace="default",pod_name="web-0",container_name="main"'
    assert lines[0].endswith(labels + "} 1")


def test_a_kubelet_that_is_not_there_costs_the_pods_and_nothing_else(root, scrape, tmp_path):
    set_up(root, type_name="inf1.xlarge")
    page = scrape("--kubernetes", "--pod-resources-socket", str(tmp_path / "none.sock"))
    wait_for(lambda: "neuron_node_readable{" in page(), what="the node")
    assert "neuroncore_pod_info" not in page()


@pytest.mark.parametrize(
    ("text", "job"),
    [
        ("12:memory:/slurm/uid_1000/job_42/step_0/task_0\n1:name=systemd:/x\n", "42"),
        ("0::/system.slice/slurmstepd.scope/job_7/step_batch/user/task_0\n", "7"),
        ("0::/system.slice/node1_slurmstepd.scope/job_8\n", "8"),
        ("4:devices:/slurm_node1/uid_0/job_9/step_batch\n", "9"),
        ("0::/user.slice/job_3\n", None),
        ("0::/\n", None),
        ("\xff" * 20000, None),
    ],
)
def test_a_job_is_read_from_the_path_of_a_cgroup(tmp_path, text, job):
    (tmp_path / "5").mkdir()
    (tmp_path / "5/cgroup").write_text(text)
    assert slurm_job(5, tmp_path) == job
    assert slurm_job(6, tmp_path) is None


def test_each_core_of_a_job_has_its_id(monkeypatch):
    runtimes = [SimpleNamespace(pid=5, cores={0: None, 1: None}), SimpleNamespace(pid=6, cores={2: None})]
    monkeypatch.setattr(core_users, "slurm_job", lambda pid: "42" if pid == 5 else None)
    assert SlurmJobs().users(SimpleNamespace(runtimes=runtimes), None).jobs == {0: "42", 1: "42"}


@pytest.mark.parametrize("flag", ["--kubernetes", "--slurm"])
def test_without_metrics_there_is_nothing_to_add_to(node, flag):
    done = subprocess.run(
        [sys.executable, "-m", "neuron_monitor", flag], capture_output=True, text=True, env=dict(os.environ), timeout=30
    )
    assert done.returncode == 2
    assert "add --prometheus or --textfile" in done.stderr
