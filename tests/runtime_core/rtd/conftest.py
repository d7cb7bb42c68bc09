"""A daemon in the test's process, and clients."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

pytest.importorskip("grpc")

from runtime_core.rtd.client import Client
from runtime_core.rtd.config import DaemonConfig, FileConfig
from runtime_core.rtd.daemon import Daemon
from runtime_core.rtd.log import Level


@pytest.fixture
def sockets():
    """A folder for sockets, because pytest's paths are too long for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="rtd-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def start_daemon(node, sockets):
    """Start daemons with given settings; they are stopped after the test."""
    running = []

    def start(**settings):
        settings = {"server_port": f"unix:{sockets}/{len(running)}.sock", **settings}
        daemon = Daemon(DaemonConfig(FileConfig(**settings), (), Level.EMERGENCY), root=node)
        daemon.start()
        running.append(daemon)
        return daemon

    yield start
    for daemon in running:
        daemon.stop(grace_seconds=5)


@pytest.fixture
def daemon(start_daemon):
    """A daemon with the first device: four NeuronCores."""
    return start_daemon(devices=(0,))


@pytest.fixture
def client(daemon):
    with Client(daemon.address) as opened:
        yield opened


@pytest.fixture
def shared_memory():
    """Make objects in shared memory by size or content; they are removed after the test."""
    made = []

    def make(content):
        handle, path = tempfile.mkstemp(dir="/dev/shm", prefix="rtd-test-")
        os.write(handle, bytes(content) if isinstance(content, int) else content)
        os.close(handle)
        made.append(Path(path))
        return made[-1]

    yield make
    for path in made:
        path.unlink(missing_ok=True)
