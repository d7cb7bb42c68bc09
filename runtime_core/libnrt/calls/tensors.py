"""Tensors: allocate, free, read, write, copy, slice, attach."""

from __future__ import annotations

import math
import time

from runtime_core.libnrt import abi, session
from runtime_core.libnrt.abi import OK, CData, memory, optional_text, require
from runtime_core.libnrt.refusal import CallError
from runtime_core.libnrt.registry import plain_call, status_call
from runtime_core.nrt import Tensor, TensorPlacement
from runtime_core.nrt.log import LogLevel, emit
from runtime_core.status import NrtError, NrtStatus

_WARN_AFTER_SECONDS = 30.0
_STEP_SECONDS = 0.05
_PIECE_BYTES = 1 << 20


@status_call
def nrt_tensor_allocate(placement: int, vnc: int, size: int, name: CData, tensor: CData) -> int:
    runtime = session.runtime()
    require(tensor, "tensor")
    if placement not in (0, 1, 2):
        raise CallError(
            NrtStatus.INVALID, f"tensor placement {placement}: expected 0 (device), 1 (host) or 2 (virtual)"
        )
    made = runtime.tensor_allocate(TensorPlacement(placement), size, logical_nc=vnc, name=optional_text(name))
    tensor[0] = session.handles.add(made)
    return OK


@status_call
def nrt_tensor_allocate_empty(name: CData, tensor: CData) -> int:
    runtime = session.runtime()
    require(tensor, "tensor")
    tensor[0] = session.handles.add(runtime.tensor_allocate_empty(optional_text(name)))
    return OK


@status_call
def nrt_tensor_allocate_slice(source: int, offset: int, size: int, name: CData, tensor_slice: CData) -> int:
    found = session.tensor(source)
    require(tensor_slice, "tensor_slice")
    made = session.runtime().tensor_slice(found, offset, size, optional_text(name))
    tensor_slice[0] = session.handles.add(made)
    return OK


@plain_call
def nrt_tensor_free(tensor: CData) -> None:
    if not tensor or not tensor[0]:
        return
    handle, tensor[0] = tensor[0], 0
    try:
        runtime = session.runtime()
    except NrtError:
        # nrt_close has already freed every tensor.
        return
    runtime.tensor_free(session.handles.take(handle, Tensor))


@status_call
def nrt_tensor_read(tensor: int, buf: CData, offset: int, size: int) -> int:
    found = session.tensor(tensor)
    if size or not buf:
        session.runtime().tensor_read_into(found, memory(buf, size, "buf"), offset)
    else:
        found.view(offset, 0)
    return OK


@status_call
def nrt_tensor_write(tensor: int, buf: CData, offset: int, size: int) -> int:
    found = session.tensor(tensor)
    session.runtime().tensor_write(found, memory(buf, size, "buf"), offset)
    return OK


def _batch(batches: CData, num_batches: int, call: str) -> None:
    """Check all parts first, then copy all parts, so that an invalid part leaves all tensors and buffers unchanged."""
    runtime = session.runtime()
    if num_batches:
        require(batches, "batches")
    parts: list[tuple[Tensor, int, memoryview]] = []
    for at in range(num_batches):
        batch = batches[at]
        found = session.tensor(abi.address(batch.tensor))
        if batch.num_ops:
            require(batch.ops, f"batches[{at}].ops")
        for number in range(batch.num_ops):
            op = batch.ops[number]
            found.view(op.offset, op.size)
            parts.append((found, op.offset, memory(op.buffer, op.size, f"batches[{at}].ops[{number}].buffer")))
    for found, offset, buffer in parts:
        if call == "read":
            runtime.tensor_read_into(found, buffer, offset)
        else:
            runtime.tensor_write(found, buffer, offset)


@status_call
def nrt_tensor_read_batch(batches: CData, num_batches: int, unsafe: bool) -> int:
    _batch(batches, num_batches, "read")
    return OK


@status_call
def nrt_tensor_write_batch(batches: CData, num_batches: int, unsafe: bool) -> int:
    _batch(batches, num_batches, "write")
    return OK


@status_call
def nrt_tensor_copy(source: int, source_offset: int, target: int, target_offset: int, size: int) -> int:
    runtime = session.runtime()
    runtime.tensor_copy(session.tensor(source), source_offset, session.tensor(target), target_offset, size)
    return OK


@plain_call
def nrt_tensor_get_size(tensor: int) -> int:
    return session.tensor(tensor).size_bytes


@status_call
def nrt_tensor_memset(tensor: int, offset: int, value: int, size: int) -> int:
    view = session.tensor(tensor).view(offset, size)
    piece = bytes([value & 0xFF]) * min(size, _PIECE_BYTES)
    for start in range(0, size, _PIECE_BYTES):
        part = view[start : start + _PIECE_BYTES]
        part[:] = piece[: part.nbytes]
    return OK


@status_call
def nrt_tensor_attach_buffer(tensor: int, buffer: CData, size: int) -> int:
    found = session.tensor(tensor)
    if not size:
        raise CallError(NrtStatus.INVALID, "the size of the buffer is 0")
    session.runtime().tensor_attach(found, memory(buffer, size, "buffer"))
    return OK


@plain_call
def nrt_tensor_get_va(tensor: int) -> int:
    return _address(session.tensor(tensor))


def _address(tensor: Tensor) -> int:
    return abi.address(abi.ffi.from_buffer(tensor.view()))


@status_call
def nrt_tensor_get_device_allocation_info(tensor: int, alloc_info: CData) -> int:
    found = session.tensor(tensor)
    require(alloc_info, "alloc_info")
    allocation = found.storage.allocation if found.storage is not None else None
    if allocation is None:
        raise CallError(NrtStatus.INVALID, f"tensor {found.name!r} is not on the device")
    # The simulated DRAM has no addresses; the address of the bytes on the host is used, because it is unique too.
    alloc_info.physical_address, alloc_info.size = _address(found), found.size_bytes
    alloc_info.hbm_index = max(range(len(allocation.channels)), key=allocation.channels.__getitem__)
    return OK


@status_call
def nrt_tensor_check_output_completion(tensor: int, timeout: int, expected: int) -> int:
    session.runtime()
    if not tensor:
        raise CallError(NrtStatus.INVALID, "output_tensor is NULL")
    found = session.tensor(tensor)
    started = time.monotonic()
    deadline = started + timeout / 1e6 if timeout >= 0 else math.inf
    warn_at = math.inf if timeout >= 0 else started + _WARN_AFTER_SECONDS
    done = found.wait_for_completions(expected, 0)
    while not done and (left := deadline - time.monotonic()) > 0:
        # The wait is divided into steps, so that nrt_close does not have to wait for it.
        done = found.wait_for_completions(expected, min(left, _STEP_SECONDS))
        if session.is_closing():
            raise CallError(NrtStatus.CLOSED, "the runtime was closed during the call")
        if time.monotonic() > warn_at:
            warn_at = math.inf
            message = f"tensor {found.name!r} is not complete after {_WARN_AFTER_SECONDS:g} s: still waiting"
            emit(LogLevel.WARNING, "nrt_tensor_check_output_completion", message)
    return OK if done else NrtStatus.TIMEOUT


@status_call
def nrt_tensor_reset_output_completion(tensor: int) -> int:
    session.runtime()
    if not tensor:
        raise CallError(NrtStatus.INVALID, "output_tensor is NULL")
    session.tensor(tensor).reset_completions()
    return OK


@status_call
def nrt_memcpy_to_device(dest: CData, src: CData, size: int) -> int:
    session.runtime()
    source = memory(src, size, "src")
    require(dest, "dest")
    start = abi.address(dest)
    for found in session.handles.every(Tensor):
        if found.storage is None:
            continue
        first = _address(found)
        if first <= start and start + size <= first + found.size_bytes:
            found.view(start - first, size)[:] = source
            return OK
    raise CallError(NrtStatus.INVALID, f"no tensor contains these {size} bytes", where=f"{start:#x}")
