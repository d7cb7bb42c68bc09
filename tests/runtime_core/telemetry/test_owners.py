"""A signal reaches the process that is shown, or no process: a page, a recording or a mirror is not a proof."""

import os
import signal
import subprocess
import sys
import time

import pytest

from runtime_core.driver import layout
from runtime_core.driver.datastore import Datastore
from runtime_core.telemetry import open_source
from runtime_core.telemetry.owners import UnprovenError, check_started_before, pin
from runtime_core.telemetry.sysfs.holders import find_holders
from runtime_core.telemetry.sysfs.source import SysfsSource

OWNER = """
import sys
from runtime_core import nrt
with nrt.Runtime() as runtime:
    print(runtime.cores, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def start():
    """Programs that are killed after the test."""
    started = []

    def run(*command, **options):
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def owner(node, start):
    process = start(sys.executable, "-c", OWNER)
    assert process.stdout.readline()
    return process


@pytest.fixture
def stranger(start):
    """A process that does not use the node."""
    return start("sleep", "600")


def only_runtime(source):
    (runtime,) = source.snapshot().runtimes
    return runtime


def forge(root, **fields):
    """Write into the first page, as the owner of the files can."""
    store = Datastore(root, writable=True)
    page = store.page(0)
    for name, value in fields.items():
        setattr(page, name, value)
    store.close()


def test_the_owner_is_proven_and_only_its_handle_is_given(owner):
    source = open_source()
    runtime = only_runtime(source)
    assert runtime.pid == owner.pid
    handle = source.pin(*runtime.key)
    signal.pidfd_send_signal(handle, signal.SIGTERM)
    os.close(handle)
    assert owner.wait(10) == -signal.SIGTERM
    with pytest.raises(UnprovenError, match="has ended"):
        source.pin(*runtime.key)


def test_a_forged_pid_is_not_the_owner(owner, stranger, node):
    source = open_source()
    start_ns = only_runtime(source).start_ns
    forge(node, pid=stranger.pid)
    assert only_runtime(source).pid == owner.pid
    with pytest.raises(UnprovenError, match="does not own the runtime"):
        source.pin(stranger.pid, start_ns)
    assert stranger.poll() is None


@pytest.mark.parametrize("pid", [0, 1, -1])
def test_no_signal_goes_to_init_or_to_a_group(owner, pid):
    with pytest.raises(UnprovenError):
        open_source().pin(pid, only_runtime(open_source()).start_ns)


def test_a_page_that_is_older_than_the_process_is_not_its_own(owner, node):
    forge(node, start_ns=5)
    source = open_source()
    with pytest.raises(UnprovenError, match="started later than the runtime"):
        source.pin(owner.pid, 5)


def test_a_process_that_holds_the_lock_but_not_the_datastore_is_a_stranger(node, start):
    """Every process that may open the lock file can lock a page's byte, so the lock alone does not prove a runtime."""
    program = f"""
import fcntl, os, sys
fd = os.open({str(node / "locks")!r}, os.O_RDWR)
fcntl.lockf(fd, fcntl.LOCK_EX, 1, 1024)
print("held", flush=True)
sys.stdin.readline()
"""
    process = start(sys.executable, "-c", program)
    assert process.stdout.readline()
    store = Datastore(node, writable=True)
    os.posix_fallocate(store.fd, layout.page_offset(0), layout.PAGE_BYTES)
    store.header.backed_pages = 1
    store.close()
    start_ns = time.monotonic_ns()
    forge(node, state=layout.STATE_LIVE, pid=process.pid, start_ns=start_ns)
    source = open_source()
    with pytest.raises(UnprovenError, match="does not have the node's datastore open"):
        source.pin(process.pid, start_ns)


@pytest.mark.skipif(os.getuid() != 0, reason="a pid namespace needs root")
def test_a_runtime_in_another_pid_namespace_is_not_mistaken_for_a_process_here(node, start):
    """The viewer is in a pid namespace; the runtime is outside, and its pid belongs to another process inside."""
    outside = start(sys.executable, "-c", OWNER)
    assert outside.stdout.readline()
    program = """
import os
from runtime_core.telemetry import open_source
source = open_source()
(runtime,) = source.snapshot(host=True).runtimes
try:
    source.pin(*runtime.key)
except Exception as error:
    print(type(error).__name__, error)
print(runtime.cpu)
"""
    made = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", program],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert made.stdout.splitlines()[-2:] == [
        "UnprovenError it runs in another pid namespace: send the signal from there, or from the host",
        "None",
    ]
    assert outside.poll() is None


@pytest.mark.skipif(os.getuid() != 0, reason="a pid namespace needs root")
def test_numbers_of_another_namespaces_proc_are_not_used(owner):
    program = """
import sys
from runtime_core.telemetry import open_source
try:
    open_source().pin(int(sys.argv[1]), int(sys.argv[2]))
except Exception as error:
    print(error)
"""
    key = only_runtime(open_source()).key
    made = subprocess.run(
        ["unshare", "--pid", "--fork", sys.executable, "-c", program, *map(str, key)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "another pid namespace" in made.stdout
    assert owner.poll() is None


def test_processes_of_a_recording_and_of_a_mirror_get_no_signal(owner, command, tmp_path, node):
    record = tmp_path / "node.nrec"
    assert command("neuron_tools.sim", "record", record, "--duration", "1").returncode == 0
    source = open_source(f"replay:{record}")
    with pytest.raises(UnprovenError, match="a recording"):
        source.pin(*only_runtime(source).key)
    assert command("neuron_tools.sim", "sysfs", "--export", tmp_path / "tree").returncode == 0
    mirror = SysfsSource(tmp_path / "tree")
    with pytest.raises(UnprovenError, match="copy of a sysfs tree"):
        mirror.pin(*only_runtime(mirror).key)
    assert owner.poll() is None


def test_a_replayed_node_gets_no_signal_either(owner, command, tmp_path):
    record = tmp_path / "node.nrec"
    assert command("neuron_tools.sim", "record", record, "--duration", "1").returncode == 0
    root = tmp_path / "replayed"
    replay = command("neuron_tools.sim", "replay", record, NEURON_SIM_ROOT=str(root))
    assert replay.returncode == 0, replay.stderr
    source = open_source(f"sim:{root}")
    with pytest.raises(UnprovenError, match="a recording"):
        source.pin(*only_runtime(source).key)
    assert owner.poll() is None


def test_a_holder_of_a_device_is_proven_by_the_device(tmp_path, start):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "neuron0").touch()
    step = "print(flush=True); sys.stdin.readline()"
    program = f"import sys; held = open(sys.argv[1]); {step}; held.close(); {step}"
    holder = start(sys.executable, "-c", program, str(tmp_path / "dev" / "neuron0"))
    holder.stdout.readline()
    (found,) = find_holders(tmp_path / "dev")
    source = SysfsSource(tmp_path / "tree", dev=tmp_path / "dev")
    os.close(source.pin(holder.pid, found.start_ns))
    with pytest.raises(UnprovenError, match="another process"):
        source.pin(holder.pid, found.start_ns + 1)
    holder.stdin.write("close\n")
    holder.stdin.flush()
    holder.stdout.readline()
    with pytest.raises(UnprovenError, match="does not hold a Neuron Device open"):
        source.pin(holder.pid, found.start_ns)


def test_a_process_that_ends_during_the_proof_gets_nothing(stranger):
    def proof():
        stranger.kill()
        stranger.wait()

    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(UnprovenError, match="has ended"):
        pin(stranger.pid, proof)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_process_that_is_younger_than_the_runtime_is_another(stranger):
    check_started_before(stranger.pid, time.monotonic_ns())
    with pytest.raises(UnprovenError, match="started later"):
        check_started_before(stranger.pid, time.monotonic_ns() - 10 * 10**9)
