"""With closed standard streams, commands print a message or nothing and exit, without a hang or a traceback."""

import subprocess
import sys

import pytest
from console_scripts import SCRIPTS, starting

pytestmark = pytest.mark.e2e
# Arguments with which each command works and exits.
ARGUMENTS = {
    "neuron-ls": [],
    "neuron-top": ["--once"],
    "neuron-monitor": ["--once"],
    "neuron-monitor-prometheus.py": ["--port", "0"],
    "neuron-gatherinfo": [],
    "neuron-sim": ["status"],
    "neuron-rtd": ["--version"],
    "neuron-cli": ["--version"],
}


CLOSE = """
import os, sys
for fd in sys.argv[1].split(","):
    os.close(int(fd))
os.execv(sys.executable, [sys.executable, "-c", *sys.argv[2:]])
"""


def run_closed(name, arguments, *closed):
    """Run a console script's entry point with closed descriptors, as with ``>&-``."""
    return subprocess.run(
        [sys.executable, "-c", CLOSE, ",".join(map(str, closed)), starting(name), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_nobody_can_read_the_output(name, node):
    done = run_closed(name, ARGUMENTS.get(name, []), 1)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{name}: standard output is closed")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_every_stream_is_closed(name, node):
    done = run_closed(name, ARGUMENTS.get(name, []), 0, 1, 2)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


@pytest.mark.parametrize("name", ["neuron-monitor"])
def test_an_endless_stream_without_a_reader_does_not_start(name, node):
    assert run_closed(name, [], 1).returncode == 1


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_messages_have_nowhere_to_go(name, node):
    done = run_closed(name, ARGUMENTS[name], 2)
    assert "Traceback" not in done.stdout
    assert done.returncode in (0, 1)


@pytest.mark.parametrize("name", ["neuron-ls", "neuron-monitor", "neuron-gatherinfo", "neuron-sim"])
def test_what_reads_no_input_works_without_one(name, node):
    done = run_closed(name, ARGUMENTS[name], 0)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1)
    assert done.stdout


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("neuron-monitor-prometheus.py", ["--port", "0"]),
        ("neuron-monitor-cloudwatch.py", ["--namespace", "Neuron", "--dry-run"]),
        ("neuron-monitor-k8s-info.py", []),
        ("neuron-oci-hook", []),
    ],
)
def test_what_reads_its_input_says_that_it_is_closed(name, arguments, node):
    done = run_closed(name, arguments, 0)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
