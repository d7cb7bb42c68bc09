"""Tensor sets and executions."""

from __future__ import annotations

from runtime_core.libnrt import session
from runtime_core.libnrt.abi import OK, CData, require, text
from runtime_core.libnrt.calls.models import model_of
from runtime_core.libnrt.registry import plain_call, status_call
from runtime_core.nrt import Tensor, TensorSet
from runtime_core.status import NrtError


def set_of(handle: int) -> TensorSet:
    """Return the tensor set of a handle; requires a live runtime.

    Raises:
        NrtError: INVALID_HANDLE, UNINITIALIZED or CLOSED.
    """
    session.runtime()
    return session.handles.find(handle, TensorSet)


@status_call
def nrt_allocate_tensor_set(tensor_set: CData) -> int:
    session.runtime()
    require(tensor_set, "tensor_set")
    tensor_set[0] = session.handles.add(TensorSet())
    return OK


@plain_call
def nrt_destroy_tensor_set(tensor_set: CData) -> None:
    if not tensor_set or not tensor_set[0]:
        return
    handle, tensor_set[0] = tensor_set[0], 0
    try:
        session.runtime()
    except NrtError:
        # nrt_close has already destroyed every set.
        return
    session.handles.take(handle, TensorSet).destroyed = True


@status_call
def nrt_add_tensor_to_tensor_set(tensor_set: int, tensor_name: CData, tensor: int) -> int:
    found = set_of(tensor_set)
    item = session.handles.find(tensor, Tensor)
    found.add(text(tensor_name, "tensor_name"), item)
    return OK


@status_call
def nrt_get_tensor_from_tensor_set(tensor_set: int, tensor_name: CData, tensor: CData) -> int:
    found = set_of(tensor_set)
    require(tensor, "tensor")
    tensor[0] = session.handles.handle_of(found.get(text(tensor_name, "tensor_name")))
    return OK


@status_call
def nrt_execute(model: int, input_set: int, output_set: int) -> int:
    session.runtime().execute(model_of(model), set_of(input_set), set_of(output_set))
    return OK


@status_call
def nrt_execute_repeat(model: int, input_set: int, output_set: int, repeat_count: int) -> int:
    loaded = model_of(model)
    session.runtime().execute_repeat(loaded, set_of(input_set), set_of(output_set), repeat_count)
    return OK
