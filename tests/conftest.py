"""Fixtures for all tests: temporary nodes, and processes that are killed after the test."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from runtime_core.driver.node import set_up

# Every run tries the same examples, so that what it finds depends on the change alone; NEURON_TEST_RANDOM=1 tries
# others. On a busy machine the duration of an example means nothing.
settings.register_profile(
    "any machine",
    derandomize=os.environ.get("NEURON_TEST_RANDOM") != "1",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("any machine")
# A shell starts background jobs with these signals ignored, and child processes inherit that. Tests send the signals.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)

REPOSITORY = Path(__file__).parent.parent
LIGHT_NETWORKS = Path("backend/test/data/light")
_RUNTIME_VARIABLES = (
    "NEURON_RT_VISIBLE_CORES",
    "NEURON_RT_NUM_CORES",
    "NEURONCORE_GROUP_SIZES",
    "NEURON_PROCESS_TAG",
    "NEURON_RT_EXEC_TIMEOUT",
    "NEURON_RT_LOG_LEVEL",
    "NEURON_RT_LOG_LOCATION",
    "AWS_NEURON_VISIBLE_DEVICES",
    "NEURON_RTD_ADDRESS",
    "NEURON_RTD_CA_FILE",
    "NEURON_RTD_CERT_FILE",
    "NEURON_RTD_KEY_FILE",
    "NEURON_RTD_TOKEN_FILE",
    "NEURON_SIM_INSTANCE_TYPE",
)


@pytest.fixture(autouse=True)
def own_world(tmp_path, monkeypatch):
    """Isolate tests from each other's nodes and from the caller's settings."""
    monkeypatch.setenv("NEURON_SIM_ROOT", str(tmp_path / "node"))
    monkeypatch.setenv("NEURON_SOURCE", "sim")
    for name in _RUNTIME_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(REPOSITORY)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "node"


@pytest.fixture
def node(root):
    """A simulated inf1.6xlarge."""
    set_up(root, type_name="inf1.6xlarge")
    return root


def wait_for(condition, seconds=30.0, what="the condition"):
    """Poll until ``condition`` returns a true value; returns the value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{what} did not come true within {seconds} s")


@pytest.fixture
def wait():
    return wait_for


@pytest.fixture
def command():
    """Run one of the suite's commands and wait for its end."""

    def run(module, *arguments, timeout=60, **environment):
        return subprocess.run(
            [sys.executable, "-m", module, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, **environment},
        )

    return run


@pytest.fixture
def spawn():
    """Start commands that are killed after the test."""
    started = []

    def start(module, *arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def light_networks():
    """The networks in the onnx wheel."""
    onnx = pytest.importorskip("onnx")
    return Path(onnx.__file__).parent / LIGHT_NETWORKS


@pytest.fixture(scope="session")
def squeezenet_neff(light_networks, tmp_path_factory):
    """A compiled network of 0.13 ms."""
    return _compiled("light_squeezenet", light_networks, tmp_path_factory)


@pytest.fixture(scope="session")
def resnet50_neff(light_networks, tmp_path_factory):
    """A compiled network of 1.2 ms."""
    return _compiled("light_resnet50", light_networks, tmp_path_factory)


def _compiled(name, light_networks, tmp_path_factory):
    from runtime_core.compiler import compile as compile_model
    from runtime_core.neff.writer import save_neff

    target = tmp_path_factory.mktemp("neff") / f"{name}.neff"
    save_neff(compile_model(light_networks / f"{name}.onnx"), target)
    return target


@pytest.fixture(scope="session")
def make_neff():
    """Models of any duration and shape: see tests/networks.py."""
    import networks

    return networks.make_neff
