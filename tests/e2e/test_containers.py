"""Containers started by an OCI runtime that has only the simulator's hook."""

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runtime_core.nrt import Runtime
from runtime_core.telemetry import open_source

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parent.parent.parent
RUNTIMES = (("crun", "--cgroup-manager=disabled"), ("runc",))
SEEN_FROM_THE_HOST = ("/usr", "/bin", "/lib", "/lib64", "/etc", sys.prefix, sys.base_prefix, str(ROOT))


def write_bundle(bundle, *command, env=(), hooks=None):
    """A bundle whose container has read-only access to the host's programs."""
    (bundle / "rootfs").mkdir(parents=True)
    shown = {Path(path).resolve(): path for path in SEEN_FROM_THE_HOST if os.path.exists(path)}
    mounts = [{"destination": "/proc", "type": "proc", "source": "proc"},
              {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
              {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}]  # fmt: skip
    mounts += [{"destination": path, "type": "bind", "source": str(real), "options": ["rbind", "ro"]}
               for real, path in shown.items()]  # fmt: skip
    config = {
        "ociVersion": "1.0.2",
        "process": {"user": {"uid": 0, "gid": 0}, "args": list(command), "cwd": "/",
                    "env": ["PATH=/usr/bin:/bin", f"PYTHONPATH={ROOT}", *env]},
        "root": {"path": "rootfs"},
        "hostname": "container",
        "mounts": mounts,
        "hooks": hooks or {},
        "linux": {"namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")]},
    }  # fmt: skip
    (bundle / "config.json").write_text(json.dumps(config))


def start_bundle(runtime, bundle, name):
    command = [*runtime, "run", "--bundle", str(bundle), name]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, text=True, **pipes)


def run_bundle(runtime, bundle, name):
    process = start_bundle(runtime, bundle, name)
    output, errors = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


@functools.cache
def working_runtime():
    """The first OCI runtime that can run a container here."""
    import tempfile

    for runtime in RUNTIMES:
        if shutil.which(runtime[0]) is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            write_bundle(Path(folder) / "bundle", "/bin/true")
            if run_bundle(runtime, Path(folder) / "bundle", f"probe-{os.getpid()}").returncode == 0:
                return runtime
    return None


@pytest.fixture
def container(tmp_path, node):
    """Run a command in a container with a hook of ``kind``."""
    runtime = working_runtime()
    if runtime is None:
        pytest.skip("neither crun nor runc can run a container here")
    made = []

    def run(*command, env=(), kind="createRuntime", start=False):
        name = f"neuron-test-{os.getpid()}-{len(made)}"
        made.append(name)
        hook = Path(sys.executable).parent / "neuron-oci-hook"
        hooks = {kind: [{"path": str(hook), "args": ["neuron-oci-hook", "--node", str(node)]}]}
        write_bundle(tmp_path / name, *command, env=env, hooks=hooks)
        return (start_bundle if start else run_bundle)(runtime, tmp_path / name, name)

    yield run
    for name in made:
        subprocess.run([runtime[0], "delete", "--force", name], capture_output=True, check=False)


def devices_listed(done):
    assert done.returncode == 0, done.stderr
    return [device["neuron_device"] for device in json.loads(done.stdout)]


@pytest.mark.parametrize("kind", ["createRuntime", "prestart"])
@pytest.mark.parametrize(("text", "devices"), [("1,3", [1, 3]), ("ALL", [0, 1, 2, 3])])
def test_a_container_lists_the_devices_that_it_asked_for(container, kind, text, devices):
    done = container(sys.executable, "-m", "neuron_ls", "-j", env=[f"AWS_NEURON_VISIBLE_DEVICES={text}"], kind=kind)
    assert devices_listed(done) == devices


def test_a_container_that_asks_for_none_has_no_node(container):
    done = container(sys.executable, "-m", "neuron_ls")
    assert done.returncode == 1
    assert "no Neuron node" in done.stderr


def test_a_container_that_asks_for_a_device_that_is_not_there_does_not_start(container):
    done = container("/bin/true", env=["AWS_NEURON_VISIBLE_DEVICES=7"])
    assert done.returncode != 0


OWN = """
import sys
from runtime_core.nrt import NrtError, Runtime
try:
    with Runtime() as runtime:
        print(*runtime.cores)
except NrtError as error:
    sys.exit(f"{error.status.name} {error}")
"""


def test_containers_share_devices_but_not_cores(container):
    with Runtime(environment={"NEURON_RT_VISIBLE_CORES": "4", "NEURON_RT_LOG_LEVEL": "QUIET"}):
        visible = "AWS_NEURON_VISIBLE_DEVICES=1"
        free = container(sys.executable, "-c", OWN, env=[visible, "NEURON_RT_VISIBLE_CORES=5-7"])
        assert (free.returncode, free.stdout) == (0, "5 6 7\n")
        taken = container(sys.executable, "-c", OWN, env=[visible, "NEURON_RT_VISIBLE_CORES=4"])
        assert "LOAD_NOT_ENOUGH_NC" in taken.stderr
        others = container(sys.executable, "-c", OWN, env=[visible, "NEURON_RT_VISIBLE_CORES=8"])
        assert "LOAD_NOT_ENOUGH_NC" in others.stderr


def test_no_variable_in_the_container_shows_it_another_device(container):
    done = container("/usr/bin/env", "AWS_NEURON_VISIBLE_DEVICES=ALL", sys.executable, "-c", OWN,
                     env=["AWS_NEURON_VISIBLE_DEVICES=2"])  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "8 9 10 11\n")


def test_the_host_sees_the_container_by_the_hosts_process_id(container, wait):
    code = "import os, sys; from runtime_core.nrt import Runtime; r = Runtime(); print(os.getpid()); sys.stdin.read()"
    process = container(sys.executable, "-c", code, env=["AWS_NEURON_VISIBLE_DEVICES=0"], start=True)
    (seen,) = wait(lambda: open_source().snapshot().runtimes)
    assert Path(f"/proc/{seen.pid}/cmdline").read_bytes().split(b"\0")[2] == code.encode()
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert int(output) != seen.pid
