"""Ctrl-C while a command still imports its modules ends it without a traceback."""

import os
import signal
import subprocess
import sys

import pytest
from console_scripts import SCRIPTS, starting

pytestmark = pytest.mark.e2e
# Stands in for Typer, which every command imports early, and is interrupted in the middle.
SLOW_MODULE = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n"


def interrupted(folder, *command):
    (folder / "typer.py").write_text(SLOW_MODULE)
    paths = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": paths}
    )


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_console_script(name, tmp_path):
    done = interrupted(tmp_path, "-c", starting(name), "--help")
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize("module", ["neuron_tools.sim", "neuron_tools.models"])
def test_a_module(module, tmp_path):
    done = interrupted(tmp_path, "-m", module, "--help")
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_other_failures_keep_their_traceback():
    done = subprocess.run(
        [sys.executable, "-c", "import neuron_console.interrupt\n1 / 0"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "ZeroDivisionError: division by zero")
