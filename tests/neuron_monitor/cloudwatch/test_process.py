"""The companion as a process: the reports reach CloudWatch, or an error is printed."""

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import boto3
import pytest

REGION = "us-east-1"


@pytest.fixture
def stream(tmp_path, node, command):
    """Two reports of a node, as lines."""
    (config := tmp_path / "c.json").write_text(
        json.dumps({"period": "50ms", "system_metrics": [{"type": "memory_info"}, {"type": "neuron_hw_counters"}]})
    )
    lines = [command("neuron_monitor", "-c", config, "--once").stdout for _ in range(2)]
    return "".join(lines)


def run(stdin, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "neuron_monitor.cloudwatch", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_stream_arrives(stream, endpoint):
    done = run(stream, "--namespace", "Neuron", "--region", REGION, "--endpoint-url", endpoint)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    client = boto3.client("cloudwatch", region_name=REGION, endpoint_url=endpoint)
    found = client.list_metrics(Namespace="Neuron")["Metrics"]
    total = next(m for m in found if m["MetricName"] == "system_memory_total_bytes")
    now = datetime.now(UTC)
    answer = client.get_metric_statistics(
        Namespace="Neuron",
        MetricName="system_memory_total_bytes",
        Dimensions=total["Dimensions"],
        StartTime=now - timedelta(minutes=5),
        EndTime=now + timedelta(minutes=5),
        Period=600,
        Statistics=["Maximum", "SampleCount"],
    )
    (point,) = answer["Datapoints"]
    shown = json.loads(stream.splitlines()[0])
    assert point["Maximum"] == shown["system_data"]["memory_info"]["memory_total_bytes"]
    assert point["SampleCount"] == 2
    assert total["Dimensions"] == [{"Name": "InstanceId", "Value": shown["instance_info"]["instance_id"]}]
    ecc = {str(m["Dimensions"]) for m in found if m["MetricName"] == "hardware_ecc_events"}
    assert len(ecc) == 4 * shown["neuron_hardware_info"]["neuron_device_count"]


def test_a_dry_run_prints_requests_and_needs_no_aws(stream, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    done = run("garbage\n" + stream, "--namespace", "Neuron", "--dry-run")
    assert done.returncode == 0
    assert "a line is not a report" in done.stderr
    (request,) = map(json.loads, done.stdout.splitlines())
    assert request["Namespace"] == "Neuron"
    assert {"system_memory_total_bytes", "hardware_ecc_events"} <= {d["MetricName"] for d in request["MetricData"]}


@pytest.mark.parametrize(
    ("unset", "arguments", "said"),
    [
        ("AWS_ACCESS_KEY_ID", ("--region", REGION), "no AWS credentials"),
        (None, (), "--region"),
    ],
)
def test_what_is_missing_is_said_in_a_line(unset, arguments, said, monkeypatch):
    if unset:
        monkeypatch.delenv(unset)
    done = run("", "--namespace", "Neuron", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_stream_is_an_error():
    done = run("", "--namespace", "Neuron", "--dry-run")
    assert done.returncode == 1
    assert "ended without a report" in done.stderr


def test_what_could_not_be_sent_by_the_end_is_said(stream):
    # Port 9 (discard) of the loopback is closed on test machines.
    done = run(stream, "--namespace", "Neuron", "--region", REGION, "--endpoint-url", "http://127.0.0.1:9")
    assert done.returncode == 1
    waits, lost = done.stderr.splitlines()
    assert "sending failed, and will be retried" in waits
    assert "could not be sent" in lost


def test_a_signal_sends_what_was_read_and_ends_quietly(stream):
    process = subprocess.Popen(
        [sys.executable, "-m", "neuron_monitor.cloudwatch", "--namespace", "Neuron", "--dry-run"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdin.write(f"{stream}no report\n")
    process.stdin.flush()
    # Its message about the last line shows that it has read the others.
    assert "not a report" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    (request,) = map(json.loads, out.splitlines())
    assert any(datum["Counts"] for datum in request["MetricData"])


def test_a_request_that_fails_is_tried_again_and_nobody_need_know(stream, flaky):
    flaky.failures = 2
    url = f"http://127.0.0.1:{flaky.server_port}"
    done = run(stream, "--namespace", "Neuron", "--region", REGION, "--endpoint-url", url)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(flaky.bodies) == 3
    assert flaky.bodies[0] == flaky.bodies[1] == flaky.bodies[2]
