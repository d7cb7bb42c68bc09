"""If a runtime loses its locks, it notices before it writes, and fails with a clear error."""

import os
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from small_models import small_neff

from runtime_core import nrt
from runtime_core.driver import layout, ownership
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.locks import core_byte, page_byte
from runtime_core.driver.pages import memory
from runtime_core.status import NrtError, NrtStatus
from runtime_core.telemetry import open_source

X = {"x": np.ones((1, 64), np.float32)}

OTHER = """
import sys
import numpy as np
from runtime_core import nrt
neff = open(sys.argv[1], "rb").read()
with nrt.Runtime() as runtime:
    model = runtime.load(neff)
    for _ in range(5):
        runtime.infer(model, {"x": np.ones((1, 64), np.float32)})
    print(len(runtime.cores), flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def neff(tmp_path):
    path = tmp_path / "small.neff"
    path.write_bytes(small_neff())
    return path


@pytest.fixture
def other(neff):
    """Another process that owns every core of the node."""
    started = []

    def take():
        process = subprocess.Popen(
            [sys.executable, "-c", OTHER, neff], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "NEURON_PROCESS_TAG": "other"},
        )  # fmt: skip
        started.append(process)
        assert process.stdout.readline() == "16\n"
        return process

    yield take
    for process in started:
        process.communicate("end\n", timeout=30)
        assert process.returncode == 0


def page_bytes(node, index=0):
    offset = layout.page_offset(index)
    with (node / "datastore").open("rb") as file:
        file.seek(offset)
        return file.read(layout.PAGE_BYTES)


def test_a_copy_of_the_node_directory_does_not_let_a_runtime_write_into_anothers_page(node, neff, other, tmp_path):
    runtime = nrt.Runtime()
    model = runtime.load(neff.read_bytes())
    tensor = runtime.tensor_allocate(nrt.TensorPlacement.DEVICE, 64)
    runtime.infer(model, X)
    shutil.copytree(node, tmp_path / "copy")
    process = other()
    before = page_bytes(node)
    for call in (
        lambda: runtime.infer(model, X),
        lambda: runtime.load(neff.read_bytes()),
        lambda: runtime.tensor_allocate(nrt.TensorPlacement.DEVICE, 64),
        lambda: runtime.tensor_allocate(nrt.TensorPlacement.HOST, 64),
        lambda: runtime.tensor_free(tensor),
    ):
        with pytest.raises(NrtError, match=r"has lost its NeuronCores.*initialise it again") as caught:
            call()
        assert caught.value.status is NrtStatus.CLOSED
    runtime.close()
    assert page_bytes(node) == before
    (only,) = open_source().snapshot().runtimes
    assert (only.pid, only.tag, only.executions.completed) == (process.pid, "other", 5)
    with pytest.raises(NrtError, match="not available"):
        nrt.Runtime()


def test_a_runtime_that_lost_its_cores_can_be_initialised_again_when_they_are_free(node, neff, tmp_path):
    first = nrt.Runtime()
    open(node / "locks").close()
    again = nrt.Runtime()
    model = again.load(neff.read_bytes())
    again.infer(model, X)
    # The new runtime holds the same bytes in the same process. The old one must not treat them as its own.
    with pytest.raises(NrtError, match="lost its NeuronCores"):
        first.load(neff.read_bytes())
    first.close()
    again.infer(model, X)
    (only,) = open_source().snapshot().runtimes
    assert only.executions.completed == 2
    assert len(only.cores) == 16
    again.close()
    nrt.Runtime().close()


def test_a_loss_during_an_execution_fails_it(node):
    runtime = nrt.Runtime()
    model = runtime.load(small_neff(seconds=0.5))
    closing = threading.Timer(0.1, lambda: open(node / "locks").close())
    closing.start()
    with pytest.raises(NrtError, match="lost its NeuronCores"):
        runtime.infer(model, X)
    closing.join()
    runtime.close()


def test_holders_are_told_by_the_kernel_and_not_from_memory(store, make_page):
    page = make_page(0)
    assert store.locks.holder(core_byte(0)) == os.getpid()
    open(store.root / "locks").close()
    assert store.locks.holder(core_byte(0)) is None
    assert ownership.free_cores(store.locks, [0]) == [0]
    assert not page.still_owned()
    with pytest.raises(ownership.LostCoresError):
        memory.allocate(page, [(0, 100)])


def test_locks_held_for_a_moment_are_released_after_a_loss(node, store):
    store.locks.wait(4096)
    assert store.locks.try_lock(page_byte(3))
    open(node / "locks").close()
    assert not store.locks.still_holds(page_byte(3))
    store.locks.wait(4096)
    store.locks.unlock(4096)
    made = subprocess.run(
        [sys.executable, "-c", f"import fcntl; fcntl.lockf(open({str(node / 'locks')!r}, 'r+'), 6, 1, 4096)"],
        check=False,
    )
    assert made.returncode == 0


def test_reading_a_node_never_frees_the_locks_of_its_owner(node):
    with nrt.Runtime() as runtime:
        for _ in range(3):
            source = open_source()
            source.snapshot()
            source.close()
            Datastore(node).close()
        assert runtime._page.still_owned()
