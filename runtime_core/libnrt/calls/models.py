"""Calls to load and unload models, and to query their properties."""

from __future__ import annotations

from runtime_core.engine.execution import LoadedModel
from runtime_core.libnrt import abi, session
from runtime_core.libnrt.abi import OK, CData, memory, require
from runtime_core.libnrt.calls.collectives import require_one_rank
from runtime_core.libnrt.refusal import CallError
from runtime_core.libnrt.registry import status_call
from runtime_core.neff.graph import DType, TensorSpec
from runtime_core.nrt.log import LogLevel, emit
from runtime_core.status import NrtStatus

_DTYPES = {
    DType.UINT64: 0x1, DType.INT8: 0x2, DType.UINT8: 0x3, DType.INT16: 0x4, DType.UINT16: 0x5, DType.BFLOAT16: 0x6,
    DType.FLOAT16: 0x7, DType.INT32: 0x8, DType.UINT32: 0x9, DType.FLOAT32: 0xA, DType.INT64: 0xC, DType.BOOL: 0x3,
}  # fmt: skip
"""Values of nrt_dtype_t. It has no double, which becomes NRT_DTYPE_UNKNOWN; a bool is a byte."""

_NAME_BYTES = 256


def model_of(handle: int) -> LoadedModel:
    """Return the model of a handle; requires a live runtime.

    Raises:
        NrtError: INVALID_HANDLE, UNINITIALIZED or CLOSED.
    """
    session.runtime()
    return session.handles.find(handle, LoadedModel)


@status_call
def nrt_load(neff_bytes: CData, size: int, vnc: int, vnc_count: int, model: CData) -> int:
    runtime = session.runtime()
    require(model, "model")
    data = memory(neff_bytes, size, "neff_bytes")
    if vnc_count not in (-1, 0):
        emit(LogLevel.WARNING, "nrt_load", f"vnc_count {vnc_count} is deprecated and ignored: pass -1")
    model[0] = session.handles.add(runtime.load(bytes(data), vnc))
    return OK


@status_call
def nrt_load_collectives(
    neff_bytes: CData, size: int, vnc: int, vnc_count: int, ctx_device_id: int, ctx_device_count: int, model: CData
) -> int:
    session.runtime()
    require_one_rank("nrt_load_collectives", ctx_device_id, ctx_device_count)
    return nrt_load(neff_bytes, size, vnc, vnc_count, model)


@status_call
def nrt_unload(model: int) -> int:
    runtime = session.runtime()
    runtime.unload(session.handles.take(model, LoadedModel))
    return OK


def _core_count(model: int, out: CData) -> int:
    loaded = model_of(model)
    require(out, "the count")
    out[0] = len(loaded.cores)
    return OK


@status_call
def nrt_get_model_nc_count(model: int, nc_count: CData) -> int:
    return _core_count(model, nc_count)


@status_call
def nrt_get_model_vnc_count(model: int, vnc_count: CData) -> int:
    return _core_count(model, vnc_count)


@status_call
def nrt_get_model_instance_count(model: int, instance_count: CData) -> int:
    loaded = model_of(model)
    require(instance_count, "instance_count")
    # A pipeline processes as many executions at once as it has stages.
    instance_count[0] = max(1, len(loaded.distinct_cores))
    return OK


@status_call
def nrt_get_model_info(model: int, info: CData, size_in: int, size_out: CData) -> int:
    loaded = model_of(model)
    require(info, "info")
    value = abi.ffi.new("nrt_model_info_t *")
    value.vnc = session.core_index(loaded.cores[0])
    written = abi.fill(info, value, size_in)
    if size_out:
        size_out[0] = written
    return OK


@status_call
def nrt_get_model_tensor_info(model: int, tensor_info: CData) -> int:
    graph = model_of(model).graph
    require(tensor_info, "tensor_info")
    specs = [(spec, 0) for spec in graph.inputs] + [(spec, 1) for spec in graph.outputs]
    ffi = abi.ffi
    array = ffi.new("nrt_tensor_info_array_t *", {"tensor_array": len(specs)})
    array.tensor_count = len(specs)
    shapes = [_describe(array.tensor_array[at], spec, usage) for at, (spec, usage) in enumerate(specs)]
    session.keep(array, shapes)
    tensor_info[0] = array
    return OK


def _describe(info: CData, spec: TensorSpec, usage: int) -> CData:
    """Fill one element; return the memory of its shape."""
    name = spec.name.encode("utf-8", "surrogateescape")
    if len(name) >= _NAME_BYTES:
        raise CallError(
            NrtStatus.RESOURCE, f"tensor name {spec.name[:40]!r}... has {len(name)} bytes, at most 255 are supported"
        )
    shape: CData = abi.ffi.new("uint32_t[]", spec.shape or (1,))
    info.name, info.usage, info.size = name, usage, spec.size_bytes
    info.dtype, info.shape, info.ndim = _DTYPES.get(spec.dtype, 0), shape, len(spec.shape)
    return shape


@status_call
def nrt_free_model_tensor_info(tensor_info: CData) -> int:
    session.runtime()
    session.give_back(tensor_info)
    return OK
