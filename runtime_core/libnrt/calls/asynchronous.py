"""The nrta_* calls: requests on queues, sequence numbers, error trackers and completion descriptors."""

from __future__ import annotations

import threading
from collections.abc import Callable

from runtime_core.engine.execution import LoadedModel
from runtime_core.libnrt import abi, session
from runtime_core.libnrt.abi import OK, CData, memory, require
from runtime_core.libnrt.calls.collectives import require_one_rank
from runtime_core.libnrt.calls.execution import set_of
from runtime_core.libnrt.calls.models import model_of
from runtime_core.libnrt.queues import Ended, RequestQueue
from runtime_core.libnrt.refusal import CallError
from runtime_core.libnrt.registry import plain_call, status_call
from runtime_core.nrt import Tensor
from runtime_core.nrt.log import LogLevel, emit
from runtime_core.status import NrtError, NrtStatus

_READ, _WRITE, _COPY, _COMPUTE, _COLLECTIVES = range(5)
_QUEUES_OF_UNIT = (2, 2, 2, 1, 3)
_MAX_QUEUES = 4

_ALL_CORES = -1

_guard = threading.Lock()
_queues: dict[int, RequestQueue] = {}
_callback: tuple[CData, CData] | None = None


class ErrorTracker:
    """Errors of asynchronous requests, in the order in which they occurred."""

    def __init__(self) -> None:
        """No errors."""
        self.errors: list[tuple[int, int]] = []
        self.listed: CData | None = None


class Context:
    """A prepared collective operation of one rank: pairs of source and target."""

    def __init__(self, core: int, pairs: list[tuple[Tensor, Tensor]]) -> None:
        """Create a context, for nrta_cc_prepare."""
        self.core = core
        self.pairs = pairs


def _unit_id(core: int, unit: int, number: int) -> int:
    """Return an id of 16 bits that is never 0."""
    return 1 + (core * len(_QUEUES_OF_UNIT) + unit) * _MAX_QUEUES + number


def _queue(core: int, unit: int, number: int) -> RequestQueue:
    session.check_core(core)
    if not 0 <= unit < len(_QUEUES_OF_UNIT):
        raise CallError(NrtStatus.INVALID, f"execution unit {unit}: expected 0 to {len(_QUEUES_OF_UNIT) - 1}")
    if not 0 <= number < _QUEUES_OF_UNIT[unit]:
        raise CallError(NrtStatus.INVALID, f"queue {number}: the unit has 0 to {_QUEUES_OF_UNIT[unit] - 1}")
    unit_id = _unit_id(core, unit, number)
    with _guard:
        found = _queues.get(unit_id)
        if found is None:
            found = _queues[unit_id] = RequestQueue(unit_id)
    return found


def _of_sequence(sequence: int) -> RequestQueue:
    session.runtime()
    found = _queues.get(sequence >> 48)
    if found is None:
        raise CallError(NrtStatus.INVALID, f"{sequence:#x} is not the sequence number of a request")
    return found


def _tensor_core(tensor: Tensor) -> int:
    """Return the core whose queues process a tensor's requests: that of its device memory, or else the first core."""
    core = tensor.core
    return 0 if core is None else session.core_index(core)


def _submit(
    call: str,
    queue: RequestQueue,
    operation: Callable[[], None],
    tracker: int,
    req_sequence: CData,
    ended: Ended | None = None,
) -> int:
    require(req_sequence, "req_sequence")
    errors = session.handles.find(tracker, ErrorTracker).errors if tracker else None

    def failed(sequence: int, error: BaseException) -> NrtStatus:
        status = error.status if isinstance(error, NrtError) else NrtStatus.FAILURE
        if errors is not None:
            errors.append((sequence, status))
        emit(LogLevel.ERROR, call, f"request {sequence:#x}: {error} (status {status.value})")
        return status

    req_sequence[0] = queue.submit(operation, failed, ended)
    return OK


@status_call
def nrta_tensor_write(
    tensor: int, buf: CData, offset: int, size: int, queue: int, tracker: int, req_sequence: CData
) -> int:
    runtime, found = session.runtime(), session.tensor(tensor)
    found.view(offset, size)
    data = memory(buf, size, "buf")
    target = _queue(_tensor_core(found), _WRITE, queue)
    return _submit(
        "nrta_tensor_write", target, lambda: runtime.tensor_write(found, data, offset), tracker, req_sequence
    )


@status_call
def nrta_tensor_read(
    buf: CData, tensor: int, offset: int, size: int, queue: int, tracker: int, req_sequence: CData
) -> int:
    runtime, found = session.runtime(), session.tensor(tensor)
    found.view(offset, size)
    data = memory(buf, size, "buf")
    target = _queue(_tensor_core(found), _READ, queue)
    return _submit(
        "nrta_tensor_read", target, lambda: runtime.tensor_read_into(found, data, offset), tracker, req_sequence
    )


@status_call
def nrta_tensor_copy(
    source: int,
    source_offset: int,
    target: int,
    target_offset: int,
    size: int,
    queue: int,
    tracker: int,
    req_sequence: CData,
) -> int:
    runtime, first, second = session.runtime(), session.tensor(source), session.tensor(target)
    first.view(source_offset, size)
    second.view(target_offset, size)
    place = _queue(_tensor_core(first), _COPY, queue)
    return _submit(
        "nrta_tensor_copy",
        place,
        lambda: runtime.tensor_copy(first, source_offset, second, target_offset, size),
        tracker,
        req_sequence,
    )


@status_call
def nrta_execute_schedule(
    model: int, input_set: int, output_set: int, queue: int, tracker: int, req_sequence: CData
) -> int:
    runtime, loaded = session.runtime(), model_of(model)
    inputs, outputs = set_of(input_set), set_of(output_set)
    core = session.core_index(loaded.cores[0])
    return _submit(
        "nrta_execute_schedule",
        _queue(core, _COMPUTE, queue),
        lambda: runtime.execute(loaded, inputs, outputs),
        tracker,
        req_sequence,
        _report_to(_callback, loaded, core),
    )


def _report_to(callback: tuple[CData, CData] | None, model: LoadedModel, core: int) -> Ended | None:
    if callback is None:
        return None
    function, params = callback

    def ended(sequence: int, status: NrtStatus) -> None:
        # The calls of the callback are allowed while nrt_close waits for it.
        abi.c.libnrt_set_callback(1)
        function(params, model.model_id, core, sequence, int(status))  # type: ignore[operator]
        abi.c.libnrt_set_callback(0)

    return ended


@status_call
def nrt_register_async_exec_callback(callback: CData, params: CData) -> int:
    global _callback
    session.runtime()
    # NULL removes the callback.
    _callback = (callback, params) if callback else None
    return OK


@status_call
def nrt_async_drain_queued_execs(vnc: int) -> int:
    session.runtime()
    if vnc != _ALL_CORES:
        session.check_core(vnc)
    cores = range(len(session.runtime().cores)) if vnc == _ALL_CORES else (vnc,)
    for core in cores:
        found = _queues.get(_unit_id(core, _COMPUTE, 0))
        if found is not None:
            found.drain()
    return OK


@status_call
def nrta_is_completed(seq: int, is_completed: CData) -> int:
    found = _of_sequence(seq)
    require(is_completed, "is_completed")
    is_completed[0] = found.is_completed(seq)
    return OK


@status_call
def nrta_get_sequence(lnc: int, xu: int, queue: int, seq: CData) -> int:
    session.runtime()
    require(seq, "seq")
    seq[0] = _queue(lnc, xu, queue).last_sequence
    return OK


@status_call
def nrta_get_completion_handle(seq: int, fd: CData) -> int:
    found = _of_sequence(seq)
    require(fd, "fd")
    fd[0] = found.completion_handle(seq)
    return OK


@status_call
def nrta_error_tracker_create(lnc: int, error_tracker: CData) -> int:
    session.check_core(lnc)
    require(error_tracker, "error_tracker")
    error_tracker[0] = session.handles.add(ErrorTracker())
    return OK


@plain_call
def nrta_error_tracker_destroy(error_tracker: int) -> None:
    if error_tracker:
        session.runtime()
        session.handles.take(error_tracker, ErrorTracker)


@status_call
def nrta_error_tracker_get_list(error_tracker: int, error_list: CData, error_count: CData) -> int:
    session.runtime()
    found = session.handles.find(error_tracker, ErrorTracker)
    require(error_list, "error_list")
    require(error_count, "error_count")
    errors = list(found.errors)
    # The host program may read it until its next query, or until it destroys the tracker.
    found.listed = abi.ffi.new("nrta_error_t[]", errors) if errors else None
    error_list[0] = abi.ffi.NULL if found.listed is None else found.listed
    error_count[0] = len(errors)
    return OK


def _tensors(tensors: CData, name: str) -> list[Tensor]:
    require(tensors, name)
    if tensors.num_tensors:
        require(tensors.tensors, f"{name}->tensors")
    return [session.tensor(abi.address(tensors.tensors[at])) for at in range(tensors.num_tensors)]


@status_call
def nrta_cc_prepare(comm: CData, source: CData, target: CData, dtype: int, op: int, cc_op: int, cc_ctx: CData) -> int:
    session.runtime()
    require(comm, "comm")
    require(cc_ctx, "cc_ctx")
    require_one_rank("nrta_cc_prepare", comm.rank, comm.rank_n)
    core = session.check_core(comm.vnc)
    if cc_op not in (0, 1, 2) or op not in (0, 2, 3) or not 0 < dtype <= 0xF:
        raise CallError(NrtStatus.INVALID, f"collective operation {cc_op} with operator {op} on dtype {dtype}")
    pairs = list(zip(_tensors(source, "input"), _tensors(target, "output"), strict=False))
    if source.num_tensors != target.num_tensors or any(a.size_bytes != b.size_bytes for a, b in pairs):
        raise CallError(NrtStatus.INVALID, "the tensors of input and output differ in number or size")
    cc_ctx[0] = session.handles.add(Context(core, pairs))
    return OK


@status_call
def nrta_cc_schedule(cc_ctx: CData, queue: int, tracker: int, req_sequence: CData) -> int:
    runtime = session.runtime()
    require(cc_ctx, "cc_ctx")
    context = session.handles.find(cc_ctx[0], Context)

    def copy_all() -> None:
        for source, target in context.pairs:
            runtime.tensor_copy(source, 0, target, 0, source.size_bytes)

    result = _submit("nrta_cc_schedule", _queue(context.core, _COLLECTIVES, queue), copy_all, tracker, req_sequence)
    session.handles.take(cc_ctx[0], Context)
    cc_ctx[0] = 0
    return result


def _stop() -> None:
    global _callback
    for found in list(_queues.values()):
        found.stop()
    _queues.clear()
    _callback = None


def _forget() -> None:
    global _guard, _callback
    _guard = threading.Lock()
    _queues.clear()
    _callback = None


session.at_close(_stop)
session.at_fork(_forget)
