"""The exporters as processes: in the monitor's process, and connected by a pipe."""

import json
import re
import signal
import subprocess
import sys

import pytest

CONFIGURATION = {
    "period": "100ms",
    "neuron_runtimes": [{"metrics": [{"type": "neuroncore_counters"}, {"type": "execution_stats"}]}],
    "system_metrics": [{"type": "memory_info"}, {"type": "vcpu_usage"}, {"type": "neuron_hw_counters"}],
}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(CONFIGURATION))
    return path


def told(errors):
    """The lines on stderr, without the warning of an exporter that listens on loopback in a container."""
    return [line for line in errors.splitlines() if "is loopback" not in line]


def count(page, core):
    match = re.search(rf'^execution_status_total\{{[^}}]*"completed"[^}}]*"bench{core}"\}} (\d+)$', page, re.M)
    return match and int(match[1])


@pytest.fixture
def together(spawn, config, listening):
    def start():
        monitor = spawn("neuron_monitor", "-c", config, "--prometheus", "--web.listen-address", "127.0.0.1:0")
        return monitor, f"http://127.0.0.1:{listening(monitor)}/metrics"

    return start


@pytest.fixture
def piped(config, listening):
    started = []

    def start():
        monitor = subprocess.Popen([sys.executable, "-m", "neuron_monitor", "-c", config], stdout=subprocess.PIPE)
        exporter = subprocess.Popen(
            [sys.executable, "-m", "neuron_monitor.prometheus.cli", "--port", "0"],
            stdin=monitor.stdout,
            stderr=subprocess.PIPE,
            text=True,
        )
        monitor.stdout.close()
        started.extend((monitor, exporter))
        return exporter, f"http://127.0.0.1:{listening(exporter)}/metrics"

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(params=["together", "piped"])
def exporter(request):
    return request.getfixturevalue(request.param)


def test_a_runtime_comes_counts_is_killed_and_its_series_are_gone(owner, exporter, get, wait):
    first, _ = owner(0), owner(1)
    _, url = exporter()

    def page():
        return get(url)[2].decode()

    before = wait(lambda: count(page(), 0))
    wait(lambda: count(page(), 0) > before)
    first.kill()
    first.wait()
    wait(lambda: count(page(), 0) is None)
    assert count(page(), 1)


def test_it_ends_quietly_on_a_signal(node, exporter, get, wait):
    process, url = exporter()
    wait(lambda: b"system_vcpu_count" in get(url)[2])
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=10)
    assert (process.returncode, told(errors)) == (0, [])


def test_it_says_where_it_serves_when_asked_to_tell(node, spawn, config, get, wait):
    monitor = spawn(
        "neuron_monitor", "-c", config, "--prometheus", "--web.listen-address", "127.0.0.1:0", "--verbose", "1"
    )
    line = monitor.stderr.readline()
    assert line.startswith("serving http://127.0.0.1:")
    assert get(line.removeprefix("serving ").strip())[0] == 200


def test_the_pipe_ends_with_the_monitor(node, command):
    done = subprocess.run(
        [sys.executable, "-m", "neuron_monitor.prometheus.cli", "--port", "0"],
        input="no report\n",
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    first, second = told(done.stderr)
    assert "a line is not a report" in first
    assert "ended without a report" in second


def test_an_address_that_cannot_be_listened_on_is_one_line(node, command):
    done = command("neuron_monitor", "--prometheus", "--web.listen-address", "nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


def test_the_textfile_form_writes_whole_files_and_takes_them_away(owner, config, tmp_path, wait, spawn):
    owner(0)
    target = tmp_path / "neuron.prom"
    monitor = spawn("neuron_monitor", "-c", config, "--textfile", target)
    wait(lambda: target.exists() and count(target.read_text(), 0))
    assert target.stat().st_mode & 0o777 == 0o644
    monitor.terminate()
    assert monitor.communicate(timeout=10) == ("", "")
    assert not target.exists()
    assert not list(tmp_path.glob(".neuron.prom*"))
