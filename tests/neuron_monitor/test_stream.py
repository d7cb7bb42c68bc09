"""The stream as a process: lines, signals, reload, a reader that leaves."""

import json
import signal
import subprocess
import sys

import pytest


def write(path, period="100ms", **more):
    path.write_text(json.dumps({"period": period, "system_metrics": [{"type": "memory_info"}], **more}))
    return path


@pytest.fixture
def config(tmp_path):
    return write(tmp_path / "c.json")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_writes_a_json_object_a_line_and_ends_quietly(node, spawn, config, number):
    monitor = spawn("neuron_monitor", "-c", config)
    lines = [json.loads(monitor.stdout.readline()) for _ in range(3)]
    assert all(0.05 < line["system_data"]["memory_info"]["period"] < 5 for line in lines)
    monitor.send_signal(number)
    rest, errors = monitor.communicate(timeout=10)
    assert (monitor.returncode, errors) == (0, "")
    assert all(json.loads(line) for line in rest.splitlines())


def test_it_ends_quietly_when_its_reader_leaves(node, config):
    command = f"{sys.executable} -m neuron_monitor -c {config}"
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -n 2 >/dev/null; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_once(node, command, config):
    done = command("neuron_monitor", "--once", "-c", config)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1


def test_reload_takes_a_new_file_and_keeps_the_old_one_when_it_is_broken(node, spawn, config):
    monitor = spawn("neuron_monitor", "-c", config)
    assert "memory_info" in json.loads(monitor.stdout.readline())["system_data"]
    config.write_text("{")
    monitor.send_signal(signal.SIGHUP)
    assert "not reloaded" in monitor.stderr.readline()
    assert "memory_info" in json.loads(monitor.stdout.readline())["system_data"]
    config.write_text(json.dumps({"period": "50ms", "system_metrics": [{"type": "vcpu_usage"}]}))
    monitor.send_signal(signal.SIGHUP)
    for _ in range(50):
        if "vcpu_usage" in json.loads(monitor.stdout.readline())["system_data"]:
            return
    raise AssertionError("the new configuration never showed")


def test_a_broken_file_is_status_1_with_nothing_on_stdout(node, command, tmp_path):
    path = tmp_path / "broken.json"
    path.write_text('{"period": 5}')
    done = command("neuron_monitor", "-c", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert str(path) in done.stderr
    assert "$.period" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_node_is_status_1(command):
    done = command("neuron_monitor")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr


def test_the_schema_is_json(command):
    schema = json.loads(command("neuron_monitor", "--json-schema").stdout)
    assert "Report" in schema["$defs"]


def test_help_shows_examples():
    done = subprocess.run(
        [sys.executable, "-m", "neuron_monitor", "--help"], capture_output=True, text=True, check=True
    )
    assert "Examples:" in done.stdout
