"""Arguments of a wrong type are refused in one clear line."""

import numpy as np
import pytest
from small_models import small_neff

from runtime_core import nrt
from runtime_core.nrt import NrtError, NrtStatus, TensorPlacement

VIRTUAL = TensorPlacement.VIRTUAL
INVALID, HANDLE = NrtStatus.INVALID, NrtStatus.INVALID_HANDLE


@pytest.fixture(autouse=True)
def runtime(node, monkeypatch):
    monkeypatch.setenv("NEURON_RT_LOG_LEVEL", "QUIET")
    monkeypatch.setenv("NEURON_RT_VISIBLE_CORES", "0")
    nrt.init()
    yield
    nrt.close()


@pytest.fixture
def model():
    return nrt.load(small_neff())


@pytest.fixture
def tensor():
    return nrt.tensor_allocate(VIRTUAL, 0, 64)


def refused(status, text, call, *arguments):
    with pytest.raises(NrtError) as caught:
        call(*arguments)
    assert caught.value.status is status
    assert text in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("neff", ["model.neff", None, [1, 2], 7])
def test_what_is_not_the_bytes_of_a_neff(neff):
    refused(INVALID, f"expected contiguous bytes, not {type(neff).__name__}: pass the contents", nrt.load, neff)


def test_cores_that_are_not_whole_numbers():
    refused(INVALID, "start_nc: expected a whole number, not str", nrt.load, small_neff(), "0")
    refused(INVALID, "nc_count: expected a whole number, not float", nrt.load, small_neff(), 0, 1.0)
    refused(INVALID, "logical_nc: expected a whole number, not NoneType", nrt.get_vnc_memory_stats, None)


@pytest.mark.parametrize("call", [nrt.unload, nrt.get_model_nc_count, lambda model: nrt.infer(model, {})])
def test_what_is_not_a_model(call):
    refused(HANDLE, "expected a loaded model, not NoneType", call, None)


def test_a_model_that_was_unloaded_has_no_cores(model):
    assert nrt.get_model_nc_count(model) == 1
    nrt.unload(model)
    refused(HANDLE, "is not loaded here", nrt.get_model_nc_count, model)


def test_inputs_that_are_not_arrays_by_name(model):
    array = np.ones((1, 64), np.float32)
    refused(INVALID, "expected arrays by the names of the inputs, not list", nrt.infer, model, [array])
    refused(INVALID, "expected arrays by the names of the inputs, not ndarray", nrt.infer, model, array)
    refused(NrtStatus.EXEC_BAD_INPUT, "input 'x': not an array", nrt.infer, model, {"x": [[1], [1, 2]]})


def test_what_is_not_a_tensor_set(model, tensor):
    tensors = nrt.allocate_tensor_set()
    for call, arguments in (
        (nrt.execute, (model, None, tensors)),
        (nrt.execute, (model, tensors, {})),
        (nrt.execute_repeat, (model, tensors, None, 2)),
        (nrt.add_tensor_to_tensor_set, (None, "x", tensor)),
        (nrt.get_tensor_from_tensor_set, (None, "x")),
        (nrt.destroy_tensor_set, (None,)),
    ):
        refused(HANDLE, "expected a tensor set, not", call, *arguments)


def test_what_is_not_a_tensor(tensor):
    for call, arguments in (
        (nrt.tensor_read, (None,)),
        (nrt.tensor_write, (b"", b"")),
        (nrt.tensor_copy, (tensor, 0, None, 0, 1)),
        (nrt.tensor_allocate_slice, ("x", 0, 1)),
        (nrt.tensor_attach_buffer, (None, bytearray(8))),
        (nrt.tensor_get_size, (None,)),
        (nrt.tensor_free, (None,)),
        (nrt.add_tensor_to_tensor_set, (nrt.allocate_tensor_set(), "x", None)),
    ):
        refused(HANDLE, "expected a tensor, not", call, *arguments)


def test_sizes_and_offsets_that_are_not_whole_numbers(tensor, model):
    tensors = nrt.allocate_tensor_set()
    for call, arguments in (
        (nrt.tensor_allocate, (VIRTUAL, 0, 1.5)),
        (nrt.tensor_allocate, (VIRTUAL, None, 8)),
        (nrt.tensor_read, (tensor, 0.0)),
        (nrt.tensor_read, (tensor, 0, "8")),
        (nrt.tensor_write, (tensor, b"1", 1.0)),
        (nrt.tensor_copy, (tensor, 0, tensor, 32, 8.0)),
        (nrt.tensor_allocate_slice, (tensor, 0, None)),
        (nrt.execute_repeat, (model, tensors, tensors, 2.0)),
    ):
        refused(INVALID, "expected a whole number, not", call, *arguments)
    assert nrt.tensor_read(tensor, np.int64(60), np.uint8(4)) == bytes(4)


def test_a_size_and_a_core_out_of_range():
    refused(INVALID, "tensor 'x': expected 1 byte or more, not 0", nrt.tensor_allocate, VIRTUAL, 0, 0, "x")
    refused(INVALID, "tensor 'x': core 1: the process owns 0 to 0", nrt.tensor_allocate, VIRTUAL, 1, 8, "x")


def test_a_placement_that_does_not_exist():
    refused(INVALID, "tensor placement 7: expected DEVICE (0), HOST (1) or VIRTUAL (2)", nrt.tensor_allocate, 7, 0, 8)
    assert nrt.tensor_allocate(0, 0, 8).placement is TensorPlacement.DEVICE


@pytest.mark.parametrize("data", ["text", None, 5, np.ones((4, 4))[:, 1]])
def test_data_that_are_not_contiguous_bytes(tensor, data):
    refused(INVALID, "data: expected contiguous bytes, not", nrt.tensor_write, tensor, data)
    refused(INVALID, "buffer: expected contiguous bytes, not", nrt.tensor_attach_buffer, tensor, data)


def test_a_repeat_count_of_zero_is_logged(model, monkeypatch, capsys):
    monkeypatch.setenv("NEURON_RT_LOG_LEVEL", "ERROR")
    tensors = nrt.allocate_tensor_set()
    refused(INVALID, "repeat count 0: expected 1 or more", nrt.execute_repeat, model, tensors, tensors, 0)
    assert "NRT:nrt_execute_repeat" in capsys.readouterr().err
