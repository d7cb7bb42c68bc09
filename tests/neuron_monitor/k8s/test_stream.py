"""The companion as a process, between a monitor and the readers of its lines."""

import json
import re
import signal
import subprocess
import sys
import urllib.request

import pytest
from real_prometheus import listening_port

CORE = "aws.amazon.com/neuroncore"


@pytest.fixture
def line(node, command, tmp_path):
    (config := tmp_path / "c.json").write_text(
        json.dumps({"period": "50ms", "system_metrics": [{"type": "memory_info"}]})
    )
    return command("neuron_monitor", "-c", config, "--once").stdout


@pytest.fixture
def companion():
    started = []

    def start(socket, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "neuron_monitor.k8s", "--socket", str(socket), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)

        def through(line):
            process.stdin.write(line)
            process.stdin.flush()
            return process.stdout.readline()

        return process, through

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_each_line_passes_with_the_pods_added_last(kubelet, companion, line, fits_schema):
    kubelet.tell(("web", "main", CORE, ["0", "1"]))
    process, through = companion(kubelet.socket)
    for _ in range(3):
        report = json.loads(through(line))
        added = report.pop("neuron_k8s_info")
        assert report == json.loads(line)
        assert list(report) == list(json.loads(line))
        fits_schema({**report, "neuron_k8s_info": added})
        assert added["neuroncores_k8s_info"] == {
            core: {"pod_name": "web", "namespace": "default", "container_name": ["main"]} for core in "01"
        }
        assert (list(added["neurondevices_k8s_info"]), added["error"]) == (["0"], "")
    rest, errors = process.communicate(timeout=10)
    assert (rest, errors, process.returncode) == ("", "", 0)


def test_pods_that_come_and_go_are_seen_after_a_period(kubelet, companion, line, wait):
    _, through = companion(kubelet.socket, "--period", "0.1")

    def cores():
        added = json.loads(through(line))["neuron_k8s_info"]
        return [] if added["error"] else list(added["neuroncores_k8s_info"])

    assert cores() == []
    kubelet.tell(("web", "main", CORE, ["2"]))
    wait(lambda: cores() == ["2"])
    kubelet.tell()
    wait(lambda: cores() == [])


def test_without_a_kubelet_the_stream_goes_on_and_says_why(tmp_path, companion, line):
    _, through = companion(tmp_path / "nobody.sock")
    added = json.loads(through(line))["neuron_k8s_info"]
    assert (added["neuroncores_k8s_info"], added["neurondevices_k8s_info"]) == ({}, {})
    assert "kubelet" in added["error"]


def test_a_line_that_is_no_report_is_left_out(kubelet, companion, line):
    process, _ = companion(kubelet.socket)
    out, errors = process.communicate(f'garbage\n[]\n{{"a": 1}}\n{line}', timeout=30)
    assert [json.loads(text)["neuron_k8s_info"]["error"] for text in out.splitlines()] == [""]
    assert len(errors.splitlines()) == 1
    assert "a line is not a report" in errors


def test_no_stream_is_an_error(kubelet, companion):
    process, _ = companion(kubelet.socket)
    out, errors = process.communicate("", timeout=30)
    assert (process.returncode, out) == (1, "")
    assert "ended without a report" in errors


def test_it_ends_when_its_reader_leaves(kubelet, companion, line, wait):
    process, through = companion(kubelet.socket)
    through(line)
    process.stdout.close()

    def ended():
        try:
            process.stdin.write(line)
            process.stdin.flush()
        except BrokenPipeError:
            pass
        return process.poll() is not None

    wait(ended)
    assert process.returncode == 0


def test_a_kubelet_that_hangs_holds_up_neither_the_stream_nor_the_end(kubelet, companion, line, wait):
    kubelet.hang.clear()
    process, through = companion(kubelet.socket)
    assert "not answered yet" in json.loads(through(line))["neuron_k8s_info"]["error"]
    wait(lambda: kubelet.asked == 1)
    process.send_signal(signal.SIGTERM)
    # Shorter than the kubelet's own timeout of 5 s.
    assert process.wait(4) == 0


def test_between_a_monitor_and_an_exporter_pods_become_series(node, kubelet, tmp_path, wait):
    kubelet.tell(("web", "main", CORE, ["1"]))
    (config := tmp_path / "c.json").write_text(
        json.dumps({"period": "100ms", "system_metrics": [{"type": "memory_info"}]})
    )
    python = [sys.executable, "-m"]
    commands = (
        [*python, "neuron_monitor", "-c", config],
        [*python, "neuron_monitor.k8s", "--socket", kubelet.socket],
        [*python, "neuron_monitor.prometheus", "--web.listen-address", "127.0.0.1:0"],
    )
    processes = []
    for command in commands:
        reading = processes[-1].stdout if processes else None
        processes.append(subprocess.Popen(list(map(str, command)), stdin=reading, stdout=subprocess.PIPE))
        if reading is not None:
            reading.close()
    try:
        url = f"http://127.0.0.1:{listening_port(processes[-1].pid)}/metrics"

        def shown():
            with urllib.request.urlopen(url, timeout=10) as page:
                return re.findall(r"^neuroncore_pod_info\{(.*)\} 1$", page.read().decode(), re.MULTILINE)

        (labels,) = wait(shown)
        assert {'neuroncore="1"', 'pod_name="web"', 'container_name="main"'} <= set(labels.split(","))
        processes[0].terminate()
        assert [process.wait(10) for process in processes] == [0, 0, 0]
    finally:
        for process in processes:
            process.kill()
            process.wait()
        processes[-1].stdout.close()
