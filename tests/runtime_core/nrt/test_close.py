"""Closing a runtime while other threads, or the same one, are in its calls."""

import os
import signal
import threading

import numpy as np
import pytest
from conftest import wait_for

from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.nrt import NrtError, NrtStatus, Runtime, TensorPlacement
from runtime_core.telemetry import open_source

X, Y = TensorSpec("x", DType.FLOAT32, (2, 3)), TensorSpec("y", DType.FLOAT32, (2, 4))
WEIGHT = np.arange(12, dtype=np.float32).reshape(3, 4)
INPUT = np.ones((2, 3), np.float32)


def neff(flops=0):
    """x @ w, with a duration set by ``flops``."""
    parameter = Parameter(TensorSpec("w", DType.FLOAT32, (3, 4)), 0)
    multiply = Instruction(EngineKind.PE, "matmul", ("x", "w"), ("y",), {}, flops)
    node = Node("a", NodeKind.NEURON, (X,), (Y,), 0, (multiply,), (parameter,), (), 48)
    return Neff(Graph("tiny", (X,), (Y,), (node,), core_count=1), {"a": WEIGHT.tobytes()})


def flops_of(seconds):
    from runtime_core.engine.timing.parameters import CORE_SINGLE_FLOPS

    return int(CORE_SINGLE_FLOPS * seconds)


def completed():
    """Executions of this process that have completed."""
    return sum(r.executions.completed for r in open_source().snapshot().runtimes if r.pid == os.getpid())


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("NEURON_RT_LOG_LEVEL", "QUIET")


@pytest.fixture
def runtime(node):
    with Runtime(environment={"NEURON_RT_VISIBLE_CORES": "0-3"}) as opened:
        yield opened


def executing_and_allocating(runtime, models, seen):
    """A thread per model that executes it, and one that allocates, until they are refused."""

    def until_refused(call):
        while True:
            try:
                call()
            except NrtError as error:
                seen.append(error.status)
                return
            except BaseException as error:
                seen.append(error)
                return

    def allocate():
        tensor = runtime.tensor_allocate(TensorPlacement.DEVICE, 4096)
        runtime.tensor_write(tensor, bytes(4096))
        runtime.tensor_free(tensor)

    calls = [lambda model=model: runtime.infer(model, {"x": INPUT}) for model in models]
    calls += [allocate, lambda: runtime.unload(runtime.load(neff()))]
    threads = [threading.Thread(target=until_refused, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    return threads


def test_closing_while_other_threads_use_the_runtime_ends_their_calls_with_closed(node):
    for _ in range(3):
        seen = []
        runtime = Runtime(environment={"NEURON_RT_VISIBLE_CORES": "0-3"})
        threads = executing_and_allocating(runtime, [runtime.load(neff(), core) for core in range(4)], seen)
        wait_for(lambda: completed() > 20)
        runtime.close()
        for thread in threads:
            thread.join()
        assert seen == [NrtStatus.CLOSED] * len(threads)
    # Everything was released: the calls in progress left nothing on the node.
    with Runtime(environment={"NEURON_RT_VISIBLE_CORES": "0-3"}) as runtime:
        assert runtime.vnc_memory_stats().bytes_used == 0


def test_a_call_that_began_before_the_close_ends_with_its_result(runtime):
    model = runtime.load(neff(flops_of(0.2)))
    results = []
    thread = threading.Thread(target=lambda: results.append(runtime.infer(model, {"x": INPUT})))
    thread.start()
    wait_for(lambda: model.in_flight)
    runtime.close()
    thread.join()
    np.testing.assert_array_equal(results[0].outputs["y"], INPUT @ WEIGHT)


def test_a_signal_handler_may_close_the_runtime_in_the_middle_of_a_call(runtime):
    model = runtime.load(neff(flops_of(0.2)))
    before = signal.signal(signal.SIGALRM, lambda *_: runtime.close())
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        result = runtime.infer(model, {"x": INPUT})
    finally:
        signal.signal(signal.SIGALRM, before)
    np.testing.assert_array_equal(result.outputs["y"], INPUT @ WEIGHT)
    assert not runtime.alive
    assert open_source().snapshot().runtimes == ()
