"""Runtime 2.x: the libnrt calls, their status codes and counters."""

import os
import threading
import time

import numpy as np
import pytest

from runtime_core import nrt
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.neff.writer import encode_neff
from runtime_core.nrt import NrtError, NrtStatus, Runtime, TensorPlacement
from runtime_core.telemetry import open_source

X = TensorSpec("x", DType.FLOAT32, (2, 3))
Y = TensorSpec("y", DType.FLOAT32, (2, 4))
WEIGHT = np.arange(12, dtype=np.float32).reshape(3, 4)
PARAMS = WEIGHT.tobytes()
INPUT = np.ones((2, 3), np.float32)


def neff(flops=0, cores=1, opcode="matmul", params=PARAMS, name="tiny"):
    """x @ w on the last of ``cores`` cores, with a duration set by ``flops``."""
    first = Node("a", NodeKind.NEURON, (X,), (TensorSpec("t", DType.FLOAT32, (2, 3)),), 0,
                 (Instruction(EngineKind.DMA, "copy", ("x",), ("t",)),))  # fmt: skip
    t = first.outputs[0]
    parameter = Parameter(TensorSpec("w", DType.FLOAT32, (3, 4)), 0)
    second = Node("b", NodeKind.NEURON, (t,), (Y,), cores - 1,
                  (Instruction(EngineKind.PE, opcode, ("t", "w"), ("y",), {}, flops),),
                  (parameter,), (), max(48, len(params)))  # fmt: skip
    return encode_neff(Neff(Graph(name, (X,), (Y,), (first, second), core_count=cores), {"b": params}))


def one_second_flops(seconds=1.0):
    from runtime_core.engine.timing.parameters import CORE_SINGLE_FLOPS

    return int(CORE_SINGLE_FLOPS * seconds)


def counted():
    (runtime,) = (r for r in open_source().snapshot().runtimes if r.pid == os.getpid())
    return runtime


@pytest.fixture
def runtime(node):
    with Runtime(environment={"NEURON_RT_VISIBLE_CORES": "0-3", "NEURON_RT_LOG_LEVEL": "QUIET"}) as opened:
        yield opened


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("NEURON_RT_LOG_LEVEL", "QUIET")
    yield
    nrt.close()


def status_of(call, *arguments, **options):
    with pytest.raises(NrtError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return caught.value.status


def test_a_model_gives_its_result_and_takes_its_time(runtime):
    model = runtime.load(neff(one_second_flops(0.05)))
    result = runtime.infer(model, {"x": INPUT})
    np.testing.assert_array_equal(result.outputs["y"], INPUT @ WEIGHT)
    assert result.computed
    assert result.device_ns == pytest.approx(0.05e9, rel=0.01)
    assert result.total_ns >= result.device_ns


def test_calls_before_init_and_after_close(node):
    import runtime_core.nrt as module

    module._was_closed = False
    assert status_of(nrt.get_total_nc_count) is NrtStatus.UNINITIALIZED
    nrt.init()
    assert nrt.get_total_nc_count() == nrt.get_visible_nc_count() == 16
    assert status_of(nrt.init) is NrtStatus.INVALID
    nrt.close()
    assert status_of(nrt.load, b"") is NrtStatus.CLOSED
    nrt.close()


def test_the_library_calls_together(node, monkeypatch):
    monkeypatch.setenv("NEURON_RT_NUM_CORES", "2")
    nrt.init()
    model = nrt.load(neff())
    assert nrt.get_model_nc_count(model) == 1
    x = nrt.tensor_allocate(TensorPlacement.DEVICE, 0, 24, "x")
    y = nrt.tensor_allocate(TensorPlacement.VIRTUAL, 0, 32, "y")
    storage = bytearray(32)
    nrt.tensor_attach_buffer(y, storage)
    nrt.tensor_write(x, INPUT)
    inputs, outputs = nrt.allocate_tensor_set(), nrt.allocate_tensor_set()
    nrt.add_tensor_to_tensor_set(inputs, "x", x)
    nrt.add_tensor_to_tensor_set(outputs, "y", y)
    nrt.execute_repeat(model, inputs, outputs, 3)
    np.testing.assert_array_equal(np.frombuffer(storage, np.float32).reshape(2, 4), INPUT @ WEIGHT)
    part = nrt.tensor_allocate_slice(y, 16, 16)
    assert nrt.tensor_read(part) == bytes(storage[16:])
    copy = nrt.tensor_allocate(TensorPlacement.HOST, 0, 16)
    nrt.tensor_copy(y, 0, copy, 0, 16)
    assert nrt.tensor_read(copy) == bytes(storage[:16])
    assert nrt.get_tensor_from_tensor_set(outputs, "y") is y
    assert nrt.get_vnc_memory_stats(0).bytes_used > 24
    assert counted().executions.completed == 3
    nrt.destroy_tensor_set(inputs)
    assert status_of(nrt.get_tensor_from_tensor_set, inputs, "x") is NrtStatus.INVALID_HANDLE
    nrt.tensor_free(x)
    assert status_of(nrt.tensor_read, x) is NrtStatus.INVALID_HANDLE
    nrt.unload(model)
    assert status_of(nrt.infer, model, {"x": INPUT}) is NrtStatus.INVALID_HANDLE


def test_memory_of_tensors_and_models_is_given_back(runtime):
    model = runtime.load(neff())
    device = runtime.tensor_allocate(TensorPlacement.DEVICE, 1 << 20, logical_nc=2)
    host = runtime.tensor_allocate(TensorPlacement.HOST, 1 << 10)
    busy = counted()
    assert busy.cores[2].memory.tensors == 1 << 20
    assert busy.host_memory.tensors == 1 << 10
    assert busy.cores[0].memory.constants == 48
    used = open_source().snapshot().devices[0].memory_used_bytes
    assert used == sum(use.memory.total_bytes for use in busy.cores.values())
    runtime.tensor_free(device)
    runtime.tensor_free(host)
    runtime.unload(model)
    idle = counted()
    assert idle.models == ()
    assert sum(use.memory.total_bytes for use in idle.cores.values()) == idle.host_memory.total_bytes == 0
    assert open_source().snapshot().devices[0].memory_used_bytes == 0


def test_a_tensor_larger_than_the_device_is_a_resource_error(runtime):
    assert status_of(runtime.tensor_allocate, TensorPlacement.DEVICE, 9 << 30) is NrtStatus.RESOURCE
    assert open_source().snapshot().devices[0].memory_used_bytes == 0


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"z": INPUT},
        {"x": INPUT, "z": INPUT},
        {"x": INPUT.astype(np.float64)},
        {"x": INPUT.T},
    ],
)
def test_bad_input_is_refused_and_counted(runtime, inputs):
    model = runtime.load(neff())
    assert status_of(runtime.infer, model, inputs) is NrtStatus.EXEC_BAD_INPUT
    assert counted().executions.incorrect_input == 1
    assert counted().cores[0].status.exec_bad_input == 1
    assert counted().total_latency.count == 0


def test_nan_results_are_delivered_and_counted_as_numerical_errors(runtime):
    model = runtime.load(neff())
    x, y = (runtime.tensor_allocate(TensorPlacement.HOST, size) for size in (24, 32))
    x.view()[:] = np.full((2, 3), np.nan, np.float32).tobytes()
    inputs, outputs = nrt.TensorSet(), nrt.TensorSet()
    inputs.add("x", x)
    outputs.add("y", y)
    assert status_of(runtime.execute, model, inputs, outputs) is NrtStatus.EXEC_COMPLETED_WITH_NUM_ERR
    assert np.isnan(np.frombuffer(y.view(), np.float32)).all()
    assert counted().executions.completed_with_num_err == counted().errors.numerical == 1


def test_an_execution_longer_than_the_timeout(node):
    with Runtime(environment={"NEURON_RT_EXEC_TIMEOUT": "0.05", "NEURON_RT_NUM_CORES": "1"}) as runtime:
        model = runtime.load(neff(one_second_flops(10)))
        assert status_of(runtime.infer, model, {"x": INPUT}) is NrtStatus.TIMEOUT
        now = counted()
        assert now.executions.timed_out == now.cores[0].status.timeout == 1
        assert now.cores[0].busy_ns == pytest.approx(0.05e9, rel=0.01)


def test_too_few_cores(runtime):
    assert status_of(runtime.load, neff(cores=5)) is NrtStatus.LOAD_NOT_ENOUGH_NC
    assert status_of(runtime.load, neff(cores=2), 3) is NrtStatus.LOAD_NOT_ENOUGH_NC
    assert status_of(runtime.load, neff(), 4) is NrtStatus.INVALID
    assert counted().cores[0].status.resource_nc_error == 2


def test_a_refused_neff_is_counted(runtime):
    assert status_of(runtime.load, b"junk") is NrtStatus.INVALID
    bad = bytearray(neff())
    bad[0] = 9
    assert status_of(runtime.load, bytes(bad)) is NrtStatus.UNSUPPORTED_NEFF_VERSION
    status = counted().cores[0].status
    assert (status.invalid_error, status.unsupported_neff_version) == (1, 1)


def test_an_unknown_instruction_is_refused_and_nothing_stays_allocated(runtime):
    assert status_of(runtime.load, neff(opcode="frobnicate")) is NrtStatus.INVALID
    assert open_source().snapshot().devices[0].memory_used_bytes == 0
    assert counted().models == ()


def test_the_hash_is_checked_when_asked_for(node):
    data = bytearray(neff())
    data[172] ^= 1
    with Runtime(environment={"NEURON_RT_VALIDATE_HASH": "true"}) as runtime:
        assert status_of(runtime.load, bytes(data)) is NrtStatus.INVALID
    with Runtime(environment={}) as runtime:
        runtime.load(bytes(data))


def test_loads_go_to_the_next_core_in_turn(runtime):
    assert [runtime.load(neff()).cores for _ in range(5)] == [(0,), (1,), (2,), (3,), (0,)]


def test_a_core_that_does_not_exist(node):
    assert status_of(Runtime, environment={"NEURON_RT_VISIBLE_CORES": "16"}) is NrtStatus.INVALID
    assert open_source().snapshot().runtimes == ()


@pytest.mark.parametrize("devices", ["7", "0,4"])
def test_a_device_that_does_not_exist(node, devices):
    with pytest.raises(NrtError, match=r"AWS_NEURON_VISIBLE_DEVICES names device [47], the node has devices 0 to 3"):
        Runtime(environment={"AWS_NEURON_VISIBLE_DEVICES": devices})


def test_threads_of_one_core_take_turns_and_those_of_two_run_side_by_side(runtime):
    flops = one_second_flops(0.3)
    one, other = runtime.load(neff(flops), 0), runtime.load(neff(flops), 1)

    def together(*models):
        started = time.monotonic()
        threads = [threading.Thread(target=runtime.infer, args=(m, {"x": INPUT})) for m in models]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.monotonic() - started

    assert together(one, one) >= 0.6
    assert 0.3 <= together(one, other) < 0.58
    assert counted().executions.completed == 4


def test_without_numerics_outputs_are_marked(node):
    with Runtime(environment={"NEURON_RT_NUM_CORES": "1"}, numerics=False) as runtime:
        model = runtime.load(neff())
        assert not runtime.infer(model, {}).computed
        x, y = (runtime.tensor_allocate(TensorPlacement.HOST, size) for size in (24, 32))
        inputs, outputs = nrt.TensorSet(), nrt.TensorSet()
        inputs.add("x", x)
        outputs.add("y", y)
        runtime.execute(model, inputs, outputs)
        assert not y.computed
        assert counted().executions.completed == 2


def test_a_pipelined_model_crosses_the_links_of_its_chips(node):
    with Runtime(environment={"NEURON_RT_VISIBLE_CORES": "0-7"}) as runtime:
        model = runtime.load(neff(cores=5))
        runtime.infer(model, {"x": INPUT})
        assert model.cores == (0, 1, 2, 3, 4)
        devices = open_source().snapshot().devices
        assert (devices[0].link_east_bytes, devices[0].link_west_bytes, devices[1].link_east_bytes) == (24, 0, 0)


def test_a_forked_child_has_no_runtime(runtime):
    child = os.fork()
    if not child:
        try:
            runtime.load(neff())
        except NrtError as error:
            os._exit(0 if error.status is NrtStatus.UNINITIALIZED else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_close_gives_everything_back(node):
    runtime = Runtime(environment={})
    runtime.load(neff())
    runtime.close()
    assert status_of(runtime.load, neff()) is NrtStatus.CLOSED
    snapshot = open_source().snapshot()
    assert snapshot.runtimes == ()
    assert snapshot.devices[0].memory_used_bytes == 0
    Runtime(environment={}).close()
