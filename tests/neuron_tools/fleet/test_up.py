"""``neuron-sim fleet``: up, scraped, broken, mended, down."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from neuron_tools.fleet import command
from runtime_core.errors import NodeError, UsageError

FLEET = """
fleet: example
models:
  small: {milliseconds: 10}
groups:
  - name: web
    count: 3
    instance: inf1.xlarge
    applications:
      - {tag: web, cores: "0-3", models: [small], arrivals: {constant: 50}, threads: 4}
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A fleet file, and a place of its own for the fleet that runs."""
    monkeypatch.setenv("NEURON_FLEET_ROOT", str(tmp_path / "root"))
    (tmp_path / "fleet.yaml").write_text(FLEET)
    return tmp_path / "fleet.yaml"


def read(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def completed(url):
    for family in text_string_to_metric_families(read(url)):
        for sample in family.samples:
            if sample.name == "execution_status_total" and sample.labels["status_type"] == "completed":
                return sample.value
    raise AssertionError("no such series")


def test_a_fleet_is_served_broken_and_taken_down(file):
    serving = subprocess.Popen(
        [sys.executable, "-m", "neuron_tools.sim", "fleet", "up", file, "--listen=127.0.0.1:0", "--processes=2"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert "3 nodes" in serving.stderr.readline()
        told = json.loads(command.status(as_json=True))
        assert (told["nodes"], told["faults"], told["pid"]) == (3, [], serving.pid)
        base = f"http://{told['address']}"
        targets = json.loads(read(f"{base}/sd"))
        assert targets[2] == {
            "targets": [told["address"]],
            "labels": {
                "__metrics_path__": "/nodes/web-0002/metrics", "instance": "web-0002", "zone": "us-east-1a",
                "instance_type": "inf1.xlarge",
            },
        }  # fmt: skip
        healthy, broken = (f"{base}/nodes/web-000{number}/metrics" for number in (0, 1))
        before = completed(healthy)
        summary = json.loads(read(healthy.replace("metrics", "api/v1/summary")))
        report = json.loads(read(healthy.replace("metrics", "api/v1/report")))
        assert summary["executions_total"] >= before
        assert summary["instance_info"] == report["instance_info"]
        assert "web-0001" in read(broken)
        with pytest.raises(NodeError, match="is up"):
            command.up(command.UpPlan(file, "127.0.0.1:0", reduced=False, processes=1))
        assert command.fault("web-0001", {"fault": "core-hang"}) == "core-hang on 1 node"
        hung = completed(broken)
        deadline = time.monotonic() + 20
        while completed(healthy) < before + 100 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert completed(healthy) >= before + 100
        assert completed(broken) == hung
        assert "web-0001: core-hang until cleared" in command.status(as_json=False)
        assert command.clear("web-*") == "1 faults cleared on 3 nodes"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            read(f"{base}/nodes/nobody/metrics")
        assert command.down() == "example is down"
        assert serving.wait(20) == 0
        assert not (file.parent / "root").exists()
        with pytest.raises(NodeError, match="no fleet is up"):
            command.down()
    finally:
        serving.kill()
        serving.communicate()


def test_mistakes_get_one_line(file):
    file.write_text(FLEET.replace("count: 3", "count: three"))
    check = [sys.executable, "-m", "neuron_tools.sim", "fleet", "check", file]
    told = subprocess.run(check, capture_output=True, text=True, timeout=60)
    assert told.returncode == 2
    assert told.stderr.count("\n") == 1
    assert "fleet.yaml:7: groups[0].count" in told.stderr


def test_a_group_that_cannot_serve_its_requests_is_refused_by_check(file, capsys):
    assert command.check([file], None) == 0
    assert "3 nodes" in capsys.readouterr().out
    file.write_text(FLEET.replace("constant: 50", "constant: 5000"))
    with pytest.raises(UsageError, match=r"fleet.yaml: group 'web'.* receives 5000 requests per second and serves"):
        command.check([file], None)


@pytest.mark.parametrize("sentence", ["availability >= 200%", "success web >= 100.1%"])
def test_a_share_of_more_than_all_is_refused(file, sentence):
    file.write_text(f"{FLEET}expectations: ['availability >= 100%', '{sentence}']\n")
    with pytest.raises(UsageError, match=r"expectations\[1\].*out of range: expected 0% to 100%"):
        command.check([file], None)


def test_a_failure_with_an_invalid_duration_names_its_place_and_an_example(file):
    failures = "    failures: [{every: 6h, fault: {fault: core-hang, for: 10}}]\n"
    file.write_text(FLEET + failures)
    with pytest.raises(UsageError, match=r"failures\[0\].fault.for: expected a duration such as 90s"):
        command.check([file], None)
