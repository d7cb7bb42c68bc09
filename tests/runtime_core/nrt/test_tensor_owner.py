"""A tensor belongs to the runtime that allocated it, also after this runtime was closed."""

import numpy as np
import pytest

from runtime_core import nrt
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.neff.writer import encode_neff
from runtime_core.nrt import NrtError, NrtStatus, TensorPlacement

X, Y = TensorSpec("x", DType.FLOAT32, (2, 3)), TensorSpec("y", DType.FLOAT32, (2, 3))
INPUT = np.arange(6, dtype=np.float32).reshape(2, 3)
NEFF = encode_neff(
    Neff(
        Graph(
            "copy",
            (X,),
            (Y,),
            (Node("n", NodeKind.NEURON, (X,), (Y,), 0, (Instruction(EngineKind.DMA, "copy", ("x",), ("y",)),)),),
        )
    )
)


@pytest.fixture(autouse=True)
def one_core(node, monkeypatch):
    monkeypatch.setenv("NEURON_RT_LOG_LEVEL", "QUIET")
    monkeypatch.setenv("NEURON_RT_VISIBLE_CORES", "0")
    yield
    nrt.close()


@pytest.fixture(params=[TensorPlacement.DEVICE, TensorPlacement.HOST])
def stale(request):
    """A tensor of a closed runtime, while the process has another."""
    nrt.init()
    made = nrt.tensor_allocate(request.param, 0, INPUT.nbytes, "old")
    nrt.tensor_write(made, INPUT)
    nrt.close()
    nrt.init()
    return made


@pytest.fixture
def kept(stale):
    """A tensor of the live runtime."""
    return nrt.tensor_allocate(TensorPlacement.DEVICE, 0, 64)


def execution_on(x, y):
    inputs, outputs = nrt.allocate_tensor_set(), nrt.allocate_tensor_set()
    nrt.add_tensor_to_tensor_set(inputs, "x", x)
    nrt.add_tensor_to_tensor_set(outputs, "y", y)
    nrt.execute(nrt.load(NEFF), inputs, outputs)


@pytest.mark.parametrize(
    "call",
    [
        nrt.tensor_read,
        lambda old: nrt.tensor_write(old, INPUT),
        lambda old: nrt.tensor_copy(old, 0, fresh(), 0, 8),
        lambda old: nrt.tensor_copy(fresh(), 0, old, 0, 8),
        lambda old: nrt.tensor_allocate_slice(old, 0, 8),
        lambda old: nrt.tensor_attach_buffer(old, bytearray(8)),
        lambda old: execution_on(old, fresh()),
        lambda old: execution_on(fresh(), old),
        nrt.tensor_free,
    ],
    ids=["read", "write", "copy from", "copy to", "slice", "attach", "input", "output", "free"],
)
def test_a_tensor_of_a_closed_runtime_is_refused_and_the_memory_of_the_next_remains(stale, kept, call):
    used = nrt.get_vnc_memory_stats().bytes_used
    with pytest.raises(NrtError, match="tensor 'old' belongs to another runtime: allocate another") as caught:
        call(stale)
    assert caught.value.status is NrtStatus.INVALID_HANDLE
    for model in nrt.current().models:
        nrt.unload(model)
    assert nrt.get_vnc_memory_stats().bytes_used == used
    assert nrt.tensor_read(kept) == bytes(64)


def fresh():
    return nrt.tensor_allocate(TensorPlacement.VIRTUAL, 0, INPUT.nbytes, "new")


def test_a_slice_of_a_closed_runtimes_tensor_is_refused(kept):
    part = nrt.tensor_allocate_slice(kept, 0, 8, "old")
    nrt.close()
    nrt.init()
    with pytest.raises(NrtError, match="another runtime"):
        nrt.tensor_read(part)
