"""Processes lose a device that is reset, until they open it again."""

import threading

import numpy as np
import pytest
from worlds import tiny_neff

from runtime_core.driver.datastore import Datastore
from runtime_core.driver.reset import DeviceInUseError, reset_device
from runtime_core.errors import UsageError
from runtime_core.nrt import NrtError, Runtime
from runtime_core.status import NrtStatus
from runtime_core.telemetry import open_source

INPUT = {"x": np.ones((2, 3), np.float32)}


def open_runtime(cores):
    return Runtime(environment={"NEURON_RT_VISIBLE_CORES": cores, "NEURON_RT_LOG_LEVEL": "QUIET"})


def resets(store, device):
    block = store.device_block(device)
    return block.reset_count, block.refused_reset_count


def test_an_unused_device_is_reset(store):
    assert reset_device(store, 2) == []
    assert resets(store, 2) == (1, 0)
    assert resets(store, 1) == (0, 0)


def test_a_device_in_use_is_refused_and_the_refusal_counted(store, make_page):
    make_page(5)
    with pytest.raises(DeviceInUseError, match=r"Neuron Device 1 is in use .* --force"):
        reset_device(store, 1)
    assert resets(store, 1) == (0, 1)


def test_cores_are_free_again_after_a_reset(store, make_page):
    reset_device(store, 0)
    make_page(0, 1, 2, 3)


@pytest.mark.parametrize("device", [-1, 4])
def test_a_device_that_is_not_there(store, device):
    with pytest.raises(UsageError, match="0 to 3"):
        reset_device(store, device)


def test_a_forced_reset_fails_the_owner_until_it_reopens(node):
    store = Datastore(node, writable=True)
    with open_runtime("4-8") as runtime:
        lost, kept = runtime.load(tiny_neff(), 0), runtime.load(tiny_neff(), 4)
        runtime.infer(lost, INPUT)
        reset_device(store, 1, force=True)
        for _ in range(2):
            with pytest.raises(NrtError, match="initialise it again") as failure:
                runtime.infer(lost, INPUT)
            assert failure.value.status is NrtStatus.EXEC_UNIT_UNRECOVERABLE
        runtime.infer(kept, INPUT)
        (seen,) = open_source().snapshot().runtimes
        assert (seen.cores[4].status.success, seen.cores[4].status.hw_error) == (1, 2)
        assert (seen.cores[8].status.success, seen.cores[8].status.hw_error) == (1, 0)
        assert seen.errors.hardware == 2
    with open_runtime("4") as runtime:
        runtime.infer(runtime.load(tiny_neff()), INPUT)
    store.close()


def test_what_runs_during_a_reset_is_a_hardware_error(node):
    store = Datastore(node, writable=True)
    failures = []

    class ResetBeforeTheEnd:
        """A clock that resets a device instead of sleeping."""

        def now_ns(self):
            return 1_000_000

        def sleep_until(self, deadline_ns):
            reset_device(store, 0, force=True)

    with Runtime(
        environment={"NEURON_RT_VISIBLE_CORES": "0", "NEURON_RT_LOG_LEVEL": "QUIET"}, clock=ResetBeforeTheEnd()
    ) as runtime:
        model = runtime.load(tiny_neff())

        def execute():
            try:
                runtime.infer(model, INPUT)
            except NrtError as error:
                failures.append(error)

        thread = threading.Thread(target=execute)
        thread.start()
        thread.join()
        execute()
    store.close()
    assert [f.status for f in failures] == [NrtStatus.HW_ERROR, NrtStatus.EXEC_UNIT_UNRECOVERABLE]
    assert failures[0].result.outputs == {}


def test_the_command(node, command, spawn, wait, squeezenet_neff):
    spawn("neuron_tools.sim", "run", squeezenet_neff, "--visible-cores", "0", "--no-numerics", "--duration", "0",
          "--rate", "100")  # fmt: skip
    owner = wait(lambda: open_source().snapshot().runtimes)[0]
    refused = command("neuron_tools.sim", "reset", "0")
    assert refused.returncode == 1
    assert f"process {owner.pid}" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert command("neuron_tools.sim", "reset", "1").returncode == 0
    forced = command("neuron_tools.sim", "reset", "0", "--force")
    assert (forced.returncode, f"process {owner.pid}" in forced.stdout) == (0, True)
    wait(lambda: open_source().snapshot().runtimes[0].errors.hardware)
    assert command("neuron_tools.sim", "reset", "9").returncode == 2
