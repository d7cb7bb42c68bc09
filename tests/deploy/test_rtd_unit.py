"""systemd accepts the template of neuron-rtd's units, and the daemon that it starts reports when it is ready."""

import shlex
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from systemd import analyze, needs_systemd

pytest.importorskip("grpc")

from runtime_core.rtd.client import Client

SCRIPT = Path(sys.executable).parent / "neuron-rtd"
INSTALLED = "/usr/local/bin/neuron-rtd"


@pytest.fixture
def unit(deploy):
    return (deploy / "systemd/neuron-rtd@.service").read_text()


@pytest.fixture
def installed(unit, tmp_path):
    path = tmp_path / "neuron-rtd@first.service"
    path.write_text(unit.replace(INSTALLED, str(SCRIPT)))
    return path


@needs_systemd
def test_systemd_finds_nothing_wrong(installed):
    done = analyze("verify", "--man=no", installed)
    assert done.returncode == 0, done.stderr


@needs_systemd
def test_it_is_exposed_to_little(installed):
    done = analyze("security", "--offline=true", "--threshold=20", "--no-pager", installed)
    assert done.returncode == 0, done.stdout


def test_its_command_starts_a_daemon_that_notifies(unit, deploy, node, monkeypatch):
    (line,) = [text for text in unit.splitlines() if text.startswith("ExecStart=")]
    assert "Type=notify" in unit.splitlines()
    with (
        tempfile.TemporaryDirectory(prefix="rtd-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
    ):
        systemd.bind(f"{folder}/notify")
        systemd.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", f"{folder}/notify")
        command = line.partition("=")[2].replace("/etc/neuron-rtd/%i.json", str(deploy / "neuron-rtd.json"))
        command = command.replace("/run/neuron-rtd/%i", folder).replace("%i", "first")
        name, *arguments = shlex.split(command)
        assert name == INSTALLED
        with subprocess.Popen([SCRIPT, *arguments]) as process:
            try:
                assert systemd.recv(4096).startswith(b"READY=1\n")
                with Client(f"unix:{folder}/neuron.sock") as client:
                    assert client.groups() == []
            finally:
                process.terminate()
        assert systemd.recv(4096) == b"STOPPING=1"
        assert process.returncode == 0
