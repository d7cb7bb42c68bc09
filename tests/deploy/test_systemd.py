"""systemd accepts the unit, which is hardened as documented and starts a monitor."""

import shlex
import sys
from pathlib import Path

import pytest
from systemd import analyze, needs_systemd

SCRIPT = Path(sys.executable).parent / "neuron-monitor"
INSTALLED = "/usr/local/bin/neuron-monitor"


@pytest.fixture
def unit(deploy):
    return (deploy / "systemd/neuron-monitor.service").read_text()


@pytest.fixture
def installed(unit, tmp_path):
    """The unit with the path of the tests' command."""
    path = tmp_path / "neuron-monitor.service"
    assert INSTALLED in unit
    path.write_text(unit.replace(INSTALLED, str(SCRIPT)))
    return path


@needs_systemd
def test_systemd_finds_nothing_wrong(installed):
    done = analyze("verify", "--man=no", installed)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_it_is_exposed_to_little(installed):
    """The exposure is at most 2.0 of 10; that of a plain unit is 9.6."""
    done = analyze("security", "--offline=true", "--threshold=20", "--no-pager", installed)
    assert done.returncode == 0, done.stdout


def test_its_command_starts_a_monitor(unit, serve, deploy):
    (line,) = [text for text in unit.splitlines() if text.startswith("ExecStart=")]
    command, *arguments = shlex.split(line.partition("=")[2])
    assert command == INSTALLED
    assert arguments.pop() == "$NEURON_MONITOR_OPTIONS"
    fetch = serve([a.replace("/etc/neuron-monitor", str(deploy)) for a in arguments])
    assert fetch("/-/healthy") == 200


def test_other_processes_stay_visible(unit):
    """Otherwise the CPU times of runtimes could not be read."""
    settings = {line.partition("=")[0] for line in unit.splitlines() if not line.startswith("#")}
    assert not settings & {"ProtectProc", "PrivateUsers", "ProcSubset"}
