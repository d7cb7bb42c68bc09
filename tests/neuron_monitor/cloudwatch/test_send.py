"""Requests reach CloudWatch, moto's or a stub of boto3's own; what fails is kept, what is refused is not."""

import json
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from botocore.stub import Stubber
from moto.server import ThreadedMotoServer

from neuron_monitor.cloudwatch import send
from neuron_monitor.cloudwatch.client import connect, putter
from neuron_monitor.cloudwatch.send import NotSent, Sender
from neuron_monitor.cloudwatch.table import Figure, Unit
from neuron_monitor.cloudwatch.window import Window

REGION = "us-east-1"


@pytest.fixture(autouse=True)
def aws(monkeypatch, tmp_path):
    """Credentials that mean nothing, and no configuration of the caller's."""
    for name in ("AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def endpoint():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


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
    assert "a line is no report" in done.stderr
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
    # Port 9 of the loopback (discard) is closed on any machine that runs tests.
    done = run(stream, "--namespace", "Neuron", "--region", REGION, "--endpoint-url", "http://127.0.0.1:9")
    assert done.returncode == 1
    waits, lost = done.stderr.splitlines()
    assert "wait to be sent" in waits
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
    # What it says of the last line tells that it has read the others.
    assert "no report" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    (request,) = map(json.loads, out.splitlines())
    assert any(datum["Counts"] for datum in request["MetricData"])


class Flaky(BaseHTTPRequestHandler):
    """Fails as an overloaded service does, as often as it is told to, and then takes everything."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        server.bodies.append(body)
        self.send_response(503 if len(server.bodies) <= server.failures else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def flaky():
    with ThreadingHTTPServer(("127.0.0.1", 0), Flaky) as server:
        server.bodies, server.failures = [], 0
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_request_that_fails_is_tried_again_and_nobody_need_know(stream, flaky):
    flaky.failures = 2
    url = f"http://127.0.0.1:{flaky.server_port}"
    done = run(stream, "--namespace", "Neuron", "--region", REGION, "--endpoint-url", url)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(flaky.bodies) == 3
    assert flaky.bodies[0] == flaky.bodies[1] == flaky.bodies[2]


def test_after_four_attempts_it_waits_for_the_next_period(flaky):
    flaky.failures = 4
    client = connect(REGION, f"http://127.0.0.1:{flaky.server_port}")
    window, said = Window(), []
    sender = Sender(window, putter(client, "Neuron"), 3600.0, said.append)
    window.add([figure(1)], 0.0)
    sender._send()
    assert len(flaky.bodies) == 4
    assert len(said) == 1
    assert sender.finish() == 0
    assert len(flaky.bodies) == 5


def figure(value, name="m"):
    return Figure(name, Unit.COUNT, (("RuntimeTag", "web"),), value)


class Endpoint:
    """Takes requests, or fails the way it was told to."""

    def __init__(self):
        self.values = []
        self.problem = None

    def put(self, batch):
        if self.problem is not None:
            raise self.problem
        self.values += [value for datum in batch for value in datum["Values"]]


@pytest.fixture
def sending():
    """A sender of a period that does not come to pass by itself, what it says, and where it sends."""
    window, endpoint, said = Window(), Endpoint(), []
    return window, endpoint, said, Sender(window, endpoint.put, 3600.0, said.append)


def test_an_outage_is_said_once_and_nothing_is_lost(sending):
    window, endpoint, said, sender = sending
    endpoint.problem = NotSent("no route", refused=False)
    for value in (1, 2):
        window.add([figure(value)], 0.0)
        sender._send()
    assert said == ["figures wait to be sent: no route"]
    endpoint.problem = None
    window.add([figure(3)], 0.0)
    assert sender.finish() == 0
    assert endpoint.values == [1, 2, 3]
    assert said[1:] == ["figures are being sent again"]


def test_what_is_refused_is_left_out_and_the_rest_goes_on(sending):
    window, endpoint, said, sender = sending
    endpoint.problem = NotSent("bad value", refused=True)
    window.add([figure(1)], 0.0)
    sender._send()
    endpoint.problem = None
    window.add([figure(2)], 0.0)
    assert sender.finish() == 0
    assert endpoint.values == [2]
    assert said == ["1 figures were refused, and are left out: bad value"]


def test_a_long_outage_loses_the_oldest_and_says_so(sending, monkeypatch):
    monkeypatch.setattr(send, "MAX_WAITING_DATA", 3000)
    window, endpoint, said, sender = sending
    endpoint.problem = NotSent("no route", refused=False)
    for start in range(0, 4000, 1000):
        window.add([figure(start, f"m{n}") for n in range(1000)], 0.0)
        sender._send()
    assert said[-1] == "1000 figures waited too long to be sent, and are lost"
    endpoint.problem = None
    assert sender.finish() == 0
    assert min(endpoint.values) == 1000
    assert len(endpoint.values) == 3000


def test_it_sends_every_period_by_itself(wait):
    window, endpoint = Window(), Endpoint()
    sender = Sender(window, endpoint.put, 0.02, pytest.fail)
    for value in range(3):
        window.add([figure(value)], 0.0)
        wait(lambda value=value: value in endpoint.values)
    assert sender.finish() == 0


@pytest.mark.parametrize(
    ("code", "status", "refused"),
    [
        ("InvalidParameterValue", 400, True),
        ("InvalidParameterValueException", 400, True),
        ("AccessDenied", 403, False),
        ("Throttling", 400, False),
        ("InternalServiceError", 500, False),
    ],
)
def test_errors_of_the_service_are_final_only_where_the_request_is_wrong(code, status, refused):
    client = boto3.client("cloudwatch", region_name=REGION)
    with Stubber(client) as stub:
        for _ in range(10):
            stub.add_client_error("put_metric_data", code, "no", status)
        window = Window()
        window.add([figure(1)], 0.0)
        with pytest.raises(NotSent) as caught:
            putter(client, "Neuron")(window.take())
    assert caught.value.refused is refused


def test_a_request_that_boto3_itself_finds_wrong_is_refused():
    window = Window()
    window.add([figure("not a number")], 0.0)
    with pytest.raises(NotSent) as caught:
        putter(boto3.client("cloudwatch", region_name=REGION), "Neuron")(window.take())
    assert caught.value.refused
