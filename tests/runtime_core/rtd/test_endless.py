"""A CPU node that would run forever is stopped by its timeout, by an unload, and with the daemon."""

import threading
import time
from contextlib import suppress

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from runtime_core import nrt
from runtime_core.compiler import CompileOptions
from runtime_core.compiler import compile as compile_model
from runtime_core.engine.numerics.watchdog import Watchdog, evaluations
from runtime_core.neff.writer import encode_neff
from runtime_core.rtd.client import Client
from runtime_core.rtd.status import RtdError
from runtime_core.status import NrtError, NrtStatus

X = {"x": np.ones((1, 4), np.float32)}


@pytest.fixture(scope="module")
def endless(tmp_path_factory):
    """A Loop whose trip count depends on the input: about 10^15 for the input above."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["a", "a"], ["b"]),
        ],
        "body",
        [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("a", TensorProto.FLOAT, [1, 4])],
        [value("go_on", TensorProto.BOOL, []), value("b", TensorProto.FLOAT, [1, 4])],
    )
    many = helper.make_tensor("many", TensorProto.FLOAT, [], [1e15])
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Mul", ["most", "many"], ["trips"]),
        helper.make_node("Cast", ["trips"], ["count"], to=TensorProto.INT64),
        helper.make_node("Loop", ["count", "", "x"], ["y"], body=body),
    ]
    shape = [1, 4]
    graph = helper.make_graph(
        nodes, "endless", [value("x", TensorProto.FLOAT, shape)], [value("y", TensorProto.FLOAT, shape)], [many]
    )
    path = tmp_path_factory.mktemp("endless") / "endless.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return encode_neff(compile_model(path, CompileOptions()))


def test_the_timeout_bounds_a_cpu_node(node, endless):
    with nrt.Runtime(environment={"NEURON_RT_EXEC_TIMEOUT": "1"}) as runtime:
        model = runtime.load(endless)
        began = time.monotonic()
        with pytest.raises(NrtError, match="CPU node timed out") as caught:
            runtime.infer(model, X)
        assert caught.value.status is NrtStatus.TIMEOUT
        assert time.monotonic() - began < 30
        zero = {"x": np.zeros((1, 4), np.float32)}
        assert runtime.infer(model, zero).outputs["y"].tolist() == [[0, 0, 0, 0]]


def test_what_runs_can_be_ended_from_outside(node, endless, wait):
    with nrt.Runtime(environment={"NEURON_RT_EXEC_TIMEOUT": "3600"}) as runtime:
        model = runtime.load(endless)
        failed = []

        def run():
            try:
                runtime.infer(model, X)
            except NrtError as error:
                failed.append(error.status)

        thread = threading.Thread(target=run)
        thread.start()
        wait(evaluations.stop_all, what="an evaluation that runs")
        thread.join(30)
        assert failed == [NrtStatus.TIMEOUT]


def test_a_daemon_stops_though_a_cpu_node_never_would_and_counts_what_runs(start_daemon, endless, wait):
    daemon = start_daemon(devices=(0,), timeout=3600.0)
    with Client(daemon.address) as client:
        going = Client(daemon.address)
        session = going.session()
        network = client.load(endless, session=session.__enter__())

        def run():
            with suppress(RtdError):
                client.infer(network, {"x": X["x"].tobytes()})

        thread = threading.Thread(target=run)
        thread.start()
        wait(lambda: daemon.manager.running == 1)
        going.close()
        # The session has ended and the network is being unloaded, but the inference still runs.
        wait(lambda: not daemon.manager.networks)
        assert daemon.manager.running == 1
        began = time.monotonic()
        daemon.stop(grace_seconds=0.5)
        assert time.monotonic() - began < 20
        assert daemon.manager.running == 0
        thread.join(20)


def test_the_watchdog_stops_only_what_is_late():
    dog, stopped = Watchdog(), []
    with dog.watching(0.01, lambda: stopped.append("late")) as late, dog.watching(60, lambda: stopped.append("early")):
        deadline = time.monotonic() + 10
        while not stopped and time.monotonic() < deadline:
            time.sleep(0.001)
    assert stopped == ["late"]
    assert late.expired
    assert dog.stop_all() == 0
