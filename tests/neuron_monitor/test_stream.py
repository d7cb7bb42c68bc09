"""The stream as a process: lines, signals, reload, a reader that disconnects."""

import fcntl
import json
import signal
import subprocess
import sys
import termios
import time

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
    assert all(0.01 < line["system_data"]["memory_info"]["period"] < 60 for line in lines)
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


def test_a_reader_that_stops_reading_cannot_keep_it_from_ending(node, spawn, config, wait):
    write(config, "2ms", neuron_runtimes=[])
    monitor = spawn("neuron_monitor", "-c", config)
    monitor.stdout.readline()
    wait(lambda: full(monitor.stdout))
    monitor.terminate()
    assert monitor.wait(10) == 0


def waiting_bytes(pipe):
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4), "little")


def full(pipe):
    """Whether a writer that should write every few milliseconds has stopped writing."""
    before = waiting_bytes(pipe)
    time.sleep(0.2)
    return before == waiting_bytes(pipe) > 8192


def test_after_a_reader_was_slow_lines_are_whole_and_do_not_burst(node, spawn, config, wait, fits_schema):
    write(config, "2ms", neuron_runtimes=[])
    monitor = spawn("neuron_monitor", "-c", config)
    wait(lambda: full(monitor.stdout))
    lines = [json.loads(monitor.stdout.readline()) for _ in range(300)]
    for line in lines:
        fits_schema(line)
    assert max(line["system_data"]["memory_info"]["period"] for line in lines) < 60
    monitor.terminate()
    _, errors = monitor.communicate(timeout=10)
    assert (monitor.returncode, errors) == (0, "")


def test_it_ends_at_once_when_its_reader_leaves_long_before_the_next_report(node, spawn, config):
    monitor = spawn("neuron_monitor", "-c", write(config, "1h"), "--verbose", "1")
    assert "watching" in monitor.stderr.readline()
    monitor.stdout.close()
    monitor.stdout = None
    assert monitor.wait(10) == 0


def test_stopped_for_a_while_it_says_what_the_period_was_and_does_not_burst(node, spawn, config, wait):
    monitor = spawn("neuron_monitor", "-c", config)
    monitor.stdout.readline()
    monitor.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    wait(lambda: time.monotonic() > stopped + 1.5)
    monitor.send_signal(signal.SIGCONT)
    periods = [json.loads(monitor.stdout.readline())["system_data"]["memory_info"]["period"] for _ in range(6)]
    assert max(periods) > 1.2
    assert len([p for p in periods if p < 0.02]) <= 1


def test_once(node, command, config):
    done = command("neuron_monitor", "--once", "-c", config)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1


def test_once_without_a_configuration_measures_one_second_not_five(node, command):
    report = json.loads(command("neuron_monitor", "--once").stdout)
    assert 1 <= report["system_data"]["memory_info"]["period"] < 5


def loses_its_report(done, where, reason):
    assert done.returncode == 1
    (told,) = done.stderr.splitlines()
    assert told.startswith(f"neuron-monitor: {where}: ")
    assert reason in told


def test_once_fails_if_the_text_file_cannot_be_written(node, command, config, tmp_path):
    for target in (tmp_path / "absent" / "n.prom", tmp_path):
        done = command("neuron_monitor", "--once", "-c", config, "--textfile", target)
        loses_its_report(done, target, "not written")


def test_once_fails_if_the_line_finds_no_room(node, config, tmp_path):
    target = tmp_path / "lines"
    line = ["-m", "neuron_monitor", "--once", "-c", str(config), "--output", str(target)]
    limited = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", sys.executable, "-B", *line]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=60)
    loses_its_report(done, target, "lines are being lost")


def test_once_excludes_a_page_for_prometheus(node, command, config):
    done = command("neuron_monitor", "--once", "-c", config, "--prometheus", "--web.listen-address", "127.0.0.1:0")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert "--textfile" in done.stderr


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


def test_once_tells_every_group_after_the_shortest_period(node, command, config):
    write(config, "1h", system_metrics=[{"type": "memory_info"}, {"type": "vcpu_usage", "period": "50ms"}])
    report = json.loads(command("neuron_monitor", "--once", "-c", config).stdout)
    assert sorted(report["system_data"]) == ["memory_info", "vcpu_usage"]


def test_lines_go_to_a_file_that_is_rotated(node, command, config, tmp_path, wait, spawn):
    target = tmp_path / "out" / "reports.ndjson"
    target.parent.mkdir()
    write(config, "5ms")
    monitor = spawn(
        "neuron_monitor", "-c", config, "--output", target, "--output-max-mib", "0.005", "--output-keep", "2"
    )
    wait(lambda: target.with_name("reports.ndjson.2").exists())
    monitor.terminate()
    assert monitor.communicate(timeout=10) == ("", "")
    files = sorted(path.name for path in target.parent.iterdir())
    assert files == ["reports.ndjson", "reports.ndjson.1", "reports.ndjson.2"]
    for path in target.parent.iterdir():
        assert path.stat().st_size <= 0.005 * (1 << 20)
        assert [json.loads(line) for line in path.read_text().splitlines()]


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
