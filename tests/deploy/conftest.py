"""Run the command lines of units and manifests on a simulated node."""

import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest
import yaml
from conftest import wait_for

from runtime_core.driver.node import set_up

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture
def deploy():
    return DEPLOY


@pytest.fixture(scope="session")
def helm():
    found = shutil.which("helm") or shutil.which("helm", path=Path(sys.prefix) / "debian/helm")
    if found is None:
        pytest.skip("helm is missing: run make test, or .ci/helm .venv/debian")
    return found


@pytest.fixture
def render(helm, deploy):
    def template(*settings):
        command = [helm, "template", "neuron-tools", str(deploy / "helm/neuron-tools")]
        for setting in settings:
            command += ["--set", setting]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return [document for document in yaml.safe_load_all(done.stdout) if document]

    return template


@pytest.fixture
def serve(root):
    """Start a command line of the suite at a free port; yields a function that fetches a path."""
    started = []

    def listening(process):
        sockets = psutil.Process(process.pid).net_connections(kind="tcp")
        return next((s.laddr.port for s in sockets if s.status == psutil.CONN_LISTEN), None)

    def start(arguments, **environment):
        set_up(root, type_name="inf1.xlarge")
        # The last address and the last source count, so those of the test are used.
        local = [*arguments, "--web.listen-address", "127.0.0.1:0", "--source", "sim"]
        process = subprocess.Popen([sys.executable, "-m", "neuron_monitor", *local], env={**os.environ, **environment})
        started.append(process)
        port = wait_for(lambda: listening(process), what=f"{arguments} to listen")

        def fetch(path):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return answer.status

        return fetch

    yield start
    for process in started:
        process.terminate()
        process.wait(10)
