"""With tensors on the device, an execution needs no transfers; they take place when tensors are written and read."""

import numpy as np
import pytest

from runtime_core.engine.timing.model import input_timing, output_timing
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.neff.writer import encode_neff
from runtime_core.nrt import TensorPlacement
from runtime_core.nrt.tensors import TensorSet
from runtime_core.virtual.node import VirtualNode

SHAPE = (256, 1024)
SIZE = 256 * 1024 * 4
DEVICE, HOST = TensorPlacement.DEVICE, TensorPlacement.HOST


@pytest.fixture
def node():
    with VirtualNode("inf1.xlarge") as made:
        yield made


@pytest.fixture
def runtime(node):
    return node.runtime(cores="0", numerics=True)


@pytest.fixture
def model(runtime):
    x, y = TensorSpec("x", DType.FLOAT32, SHAPE), TensorSpec("y", DType.FLOAT32, SHAPE)
    copy = Node("n", NodeKind.NEURON, (x,), (y,), 0, (Instruction(EngineKind.DMA, "copy", ("x",), ("y",)),))
    return runtime.load(encode_neff(Neff(Graph("copy", (x,), (y,), (copy,)))))


@pytest.fixture
def execution_ns(node, runtime, model):
    """The time of an execution with given placements of its input and output."""

    def measured(source, target):
        tensors = [runtime.tensor_allocate(placement, SIZE) for placement in (source, target)]
        inputs, outputs = TensorSet(), TensorSet()
        inputs.add("x", tensors[0])
        outputs.add("y", tensors[1])
        values = np.arange(SIZE // 4, dtype=np.float32).tobytes()
        runtime.tensor_write(tensors[0], values)
        started_ns = node.clock.now_ns()
        runtime.execute(model, inputs, outputs)
        ended_ns = node.clock.now_ns()
        assert runtime.tensor_read(tensors[1]) == values
        return ended_ns - started_ns

    return measured


def test_what_lies_on_the_device_saves_its_way(execution_ns):
    far = execution_ns(HOST, HOST)
    assert far - execution_ns(DEVICE, HOST) == input_timing(SIZE).alone_ns
    assert far - execution_ns(HOST, DEVICE) == output_timing(SIZE).alone_ns
    assert far - execution_ns(DEVICE, DEVICE) == input_timing(SIZE).alone_ns + output_timing(SIZE).alone_ns


@pytest.mark.parametrize(("placement", "share"), [(DEVICE, 1), (HOST, 0)])
def test_writing_and_reading_the_device_takes_the_way(node, runtime, placement, share):
    tensor = runtime.tensor_allocate(placement, SIZE)
    started_ns = node.clock.now_ns()
    runtime.tensor_write(tensor, bytes(SIZE // 2))
    written_ns = node.clock.now_ns()
    runtime.tensor_read(tensor)
    assert written_ns - started_ns == share * input_timing(SIZE // 2).alone_ns
    assert node.clock.now_ns() - written_ns == share * output_timing(SIZE).alone_ns
