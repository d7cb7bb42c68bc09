"""What comes from outside: metrics, garbage, and nothing."""

import http.server
import socket
import threading
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuron_top.model.moment import Latency
from neuron_top.remote.endpoint import Endpoint
from neuron_top.remote.node import RemoteLook, moment_of
from neuron_top.remote.scrape import (
    FAMILIES,
    FLEET_FAMILIES,
    Reader,
    Received,
    Scrape,
    _parse_series,
    fetch,
    read_scrape,
)
from runtime_core.telemetry import NodeError

HERE = Endpoint("node", 8000)
INSTANCE = (
    'instance_name="n",instance_id="i-1",instance_type="inf1.xlarge",availability_zone="us-east-1a",'
    'region="us-east-1",subnet_id="s"'
)
HARDWARE = 'neuron_device_count="1",neuron_device_memory_size="8589934592",neuroncore_per_device_count="4"'
METRICS = f"""\
# HELP neuroncore_utilization_ratio NeuronCore utilization
# TYPE neuroncore_utilization_ratio gauge
neuroncore_utilization_ratio{{{INSTANCE},neuroncore="0",runtime_tag="web"}} 0.25
neuroncore_utilization_ratio{{{INSTANCE},neuroncore="1",runtime_tag="web"}} 0.75 1395066363000
neuroncore_memory_usage_tensors{{{INSTANCE},neuroncore="0",memory_location="None",runtime_tag="web"}} 4096
execution_status_total{{{INSTANCE},status_type="completed",runtime_tag="web"}} %d
execution_status_total{{{INSTANCE},status_type="completed_with_err",runtime_tag="web"}} 0
execution_status_total{{{INSTANCE},status_type="completed_with_num_err",runtime_tag="web"}} 0
execution_status_total{{{INSTANCE},status_type="timed_out",runtime_tag="web"}} 2
execution_status_total{{{INSTANCE},status_type="incorrect_input",runtime_tag="web"}} 0
execution_status_total{{{INSTANCE},status_type="failed_to_queue",runtime_tag="web"}} 0
execution_latency_seconds{{{INSTANCE},percentile="p50",runtime_tag="web"}} 0.001
execution_latency_seconds{{{INSTANCE},percentile="p99",runtime_tag="web"}} 0.004
neuron_runtime_vcpu_usage_ratio{{{INSTANCE},usage_type="user",runtime_tag="web"}} 0.1
neuron_runtime_vcpu_usage_ratio{{{INSTANCE},usage_type="system",runtime_tag="web"}} 0.05
hardware_ecc_events_total{{{INSTANCE},event_type="mem_ecc_corrected",neuron_device_index="0"}} 7
neuron_device_memory_used_bytes{{{INSTANCE},neuron_device_index="0"}} 1048576
neuron_hardware_info{{{INSTANCE},{HARDWARE}}} 1
neuroncore_owner_info{{{INSTANCE},neuroncore="0",neuron_device_index="0",runtime_tag="web",pid="77"}} 1
instance_info{{{INSTANCE}}} 1
system_vcpu_count{{{INSTANCE}}} 4
system_vcpu_usage_ratio{{{INSTANCE},usage_type="user"}} 0.5
system_vcpu_usage_ratio{{{INSTANCE},usage_type="system"}} 0.1
system_memory_total_bytes{{{INSTANCE}}} 100
system_memory_used_bytes{{{INSTANCE}}} 40
system_swap_total_bytes{{{INSTANCE}}} 0
system_swap_used_bytes{{{INSTANCE}}} 0
something_else_total{{a="b"}} NaN
"""


def scrape(text, reader=None, at_seconds=None):
    found = read_scrape(HERE, reader or Reader(), text, Received(10**9, 10**18))
    return found if at_seconds is None else found._replace(time_ns=int(at_seconds * 1e9))


def test_a_node_is_read_with_its_devices_runtimes_and_host():
    moment = moment_of("node", scrape(METRICS % 100), None)
    snapshot = moment.snapshot
    (device,) = snapshot.devices
    (web,) = snapshot.runtimes
    assert (snapshot.instance.instance_id, snapshot.instance.instance_type) == ("i-1", "inf1.xlarge")
    assert (device.core_ids, device.memory_total_bytes, device.memory_used_bytes) == ((0, 1, 2, 3), 8 << 30, 1 << 20)
    assert (device.ecc.mem_ecc_corrected, device.ecc.sram_ecc_corrected) == (7, None)
    assert (web.tag, web.pid, list(web.cores), web.executions.timed_out) == ("web", 77, [0, 1], 2)
    assert web.cores[0].memory.tensors == 4096
    assert moment.rates.core_utilization() == {0: 0.25, 1: 0.75}
    assert moment.latency[web.key] == Latency(1e6, 4e6)
    assert moment.rates.host.average.user == 0.5


def test_pods_and_links_that_are_down_are_read():
    link = 'neuron_device_link_{}{{{},neuron_device_index="0",direction="{}"}} {}\n'
    more = f'neuroncore_pod_info{{{INSTANCE},neuroncore="1",pod_namespace="prod",pod_name="web-0"}} 1\n'
    for direction, up in (("east", 0), ("west", 1)):
        more += link.format("transmit_bytes_total", INSTANCE, direction, 5) + link.format("up", INSTANCE, direction, up)
    text = (METRICS % 100).replace('neuron_device_count="1"', 'neuron_device_count="3"') + more
    moment = moment_of("node", scrape(text), None)
    assert moment.pods == {1: "prod/web-0"}
    assert moment.snapshot.devices[0].down_links == (moment.snapshot.devices[0].east,) == (1,)


def test_counts_are_differences_and_a_counter_that_went_back_began_anew():
    reader = Reader()
    first = moment_of("node", scrape(METRICS % 100, reader, 10), None)
    second = moment_of("node", scrape(METRICS % 350, reader, 15), first.snapshot)
    third = moment_of("node", scrape(METRICS % 30, reader, 20), second.snapshot)
    key = first.snapshot.runtimes[0].key
    assert first.rates.runtimes[key].executions is None
    assert second.rates.runtimes[key].executions.completed == 250
    assert second.rates.runtimes[key].seconds == 5
    assert third.rates.runtimes[key].executions.completed == 30


def test_what_the_monitor_does_not_tell_is_not_available():
    text = f'neuron_hardware_info{{{INSTANCE},neuron_device_count="1",neuroncore_per_device_count="4"}} 1\n'
    moment = moment_of("node", scrape(text), None)
    assert moment.snapshot.devices[0].memory_used_bytes is None
    assert moment.snapshot.devices[0].ecc.mem_ecc_corrected is None
    assert moment.snapshot.host is None
    assert moment.rates.host is None
    assert moment.overall == Latency(None, None)


def test_a_series_is_parsed_once():
    reader = Reader()
    reader.read(METRICS % 1)
    with mock.patch("prometheus_client.parser.text_string_to_metric_families", side_effect=AssertionError):
        again = reader.read(METRICS % 2)
    assert again["execution_status_total"][0].value == 2


def test_nodes_share_what_they_have_in_common():
    reader, other = Reader(), (METRICS % 3).replace('instance_id="i-1"', 'instance_id="i-2"')
    first = reader.read(METRICS % 1)
    with mock.patch("neuron_top.remote.scrape._parse_series", wraps=_parse_series) as parsed:
        second = reader.read(other)
    # What has no labels but those of the instance can't be shared.
    names = {call.args[0].partition("{")[0] for call in parsed.call_args_list}
    assert names <= {n for n in first if n.startswith("system_")} | {"instance_info"}
    assert second["instance_info"][0].labels["instance_id"] == "i-2"
    assert second["execution_status_total"][0].value == 3
    assert second["execution_status_total"][0].labels == {"status_type": "completed", "runtime_tag": "web"}


def test_a_page_without_instance_labels_is_read_all_the_same():
    text = "".join(line for line in (METRICS % 1).splitlines(keepends=True) if not line.startswith("instance_info"))
    samples = Reader().read(text.replace(INSTANCE + ",", ""))
    assert samples["neuroncore_utilization_ratio"][0].labels == {"neuroncore": "0", "runtime_tag": "web"}
    assert moment_of("node", scrape(text), None).snapshot.instance.instance_id == ""


def test_a_fleet_reads_only_what_its_table_shows():
    assert FLEET_FAMILIES < FAMILIES
    found = Reader(FLEET_FAMILIES).read(METRICS % 1)
    assert "neuroncore_memory_usage_tensors" not in found
    moment = moment_of("node", Scrape(1, 1, found), None)
    assert moment.rates.core_utilization() == {0: 0.25, 1: 0.75}


def test_names_and_label_values_may_hold_anything():
    text = f'neuroncore_utilization_ratio{{{INSTANCE},neuroncore="0",runtime_tag="a\\"}}\\n{{b"}} 1\n'
    (sample,) = Reader().read(text)["neuroncore_utilization_ratio"]
    assert sample.labels["runtime_tag"] == 'a"}\n{b'


def test_a_node_that_its_monitor_cannot_read_is_said():
    text = METRICS % 1 + f"neuron_node_readable{{{INSTANCE}}} 0\n"
    with pytest.raises(NodeError, match="can't read its node"):
        moment_of("node", scrape(text), None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no Neuron hardware"),
        ("<html>", "no Neuron hardware"),
        ("neuroncore_utilization_ratio", "no Prometheus metrics"),
        ("neuroncore_utilization_ratio x", "no Prometheus metrics"),
        ('neuroncore_utilization_ratio{a="b} 1', "no Prometheus metrics"),
        ('neuron_hardware_info{neuron_device_count="9999999",neuroncore_per_device_count="4"} 1', "does not tell"),
        ('neuron_hardware_info{neuron_device_count="-1"} 1', "does not tell"),
    ],
)
def test_garbage_is_said_in_words(text, reason):
    with pytest.raises(NodeError, match=reason):
        moment_of("node", scrape(text), None)


LINES = st.sampled_from((METRICS % 5).splitlines())


@given(st.lists(LINES | st.text(max_size=60), max_size=12), st.integers(0, 400), st.text(max_size=6))
def test_any_answer_is_a_moment_or_refused(lines, cut, insert):
    text = "\n".join(lines)
    text = text[:cut] + insert + text[cut:]
    try:
        found = scrape(text)
        assert isinstance(found, Scrape)
        moment = moment_of("node", found, None)
        moment_of("node", found._replace(time_ns=found.time_ns + 1), moment.snapshot)
    except NodeError:
        pass


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers what the server was told to."""

    def do_GET(self):
        self.server.asked += 1
        status, body = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    made.asked, made.answer = 0, (200, (METRICS % 1).encode())
    thread = threading.Thread(target=made.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def test_a_look_asks_and_a_report_that_comes_again_is_the_same_moment(server, monkeypatch):
    look = RemoteLook(Endpoint("127.0.0.1", server.server_port))

    def answer(at_seconds, age_seconds):
        monkeypatch.setattr("neuron_top.remote.node.time.monotonic_ns", lambda: int(at_seconds * 1e9))
        server.answer = (200, (METRICS % 1 + f"neuron_monitor_report_age_seconds {age_seconds}\n").encode())
        return look.moment()

    first = answer(100.0, 1.0)
    assert answer(101.0, 2.0) is first
    assert answer(101.5, 2.55) is first
    second = answer(102.0, 0.0)
    assert second is not first
    assert second.rates.seconds == 3.0
    assert server.asked == 4


def test_another_server_is_said_to_be_one(server):
    server.answer = (404, b"")
    with pytest.raises(NodeError, match="answers 404"):
        fetch(Endpoint("127.0.0.1", server.server_port), 5)


def test_a_port_that_nobody_listens_on_is_said():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(NodeError, match=r"cannot reach 127\.0\.0\.1:\d+: .*refused"):
            fetch(Endpoint("127.0.0.1", unused.getsockname()[1]), 5)


def test_a_server_that_does_not_answer_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as deaf, pytest.raises(NodeError, match=r"no answer within 0.1 s"):
        fetch(Endpoint("127.0.0.1", deaf.getsockname()[1]), 0.1)


def test_a_server_that_speaks_something_else_is_said():
    def babble():
        client, _ = deaf.accept()
        with client:
            client.recv(1000)
            client.sendall(b"220 mail.example.com ESMTP\r\n")

    with socket.create_server(("127.0.0.1", 0)) as deaf:
        thread = threading.Thread(target=babble)
        thread.start()
        with pytest.raises(NodeError, match="does not speak HTTP"):
            fetch(Endpoint("127.0.0.1", deaf.getsockname()[1]), 5)
        thread.join()
