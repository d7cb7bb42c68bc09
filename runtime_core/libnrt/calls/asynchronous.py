"""The nrta_* calls: requests on queues, sequence numbers, error trackers and completion descriptors."""

from __future__ import annotations

from runtime_core.engine.execution import LoadedModel
from runtime_core.libnrt import abi, session
from runtime_core.libnrt.abi import OK, CData, memory, require
from runtime_core.libnrt.calls.collectives import require_one_rank
from runtime_core.libnrt.calls.execution import set_of
from runtime_core.libnrt.calls.models import model_of
from runtime_core.libnrt.queues import Ended
from runtime_core.libnrt.refusal import CallError
from runtime_core.libnrt.registry import plain_call, status_call
from runtime_core.libnrt.units import (
    COLLECTIVES,
    COMPUTE,
    COPY,
    READ,
    WRITE,
    ErrorTracker,
    compute_queue,
    queue_of,
    queue_of_sequence,
    submit,
)
from runtime_core.nrt import Tensor
from runtime_core.status import NrtStatus

_ALL_CORES = -1

_callback: tuple[CData, CData] | None = None


class Context:
    """A prepared collective operation of one rank: pairs of source and target."""

    def __init__(self, core: int, pairs: list[tuple[Tensor, Tensor]]) -> None:
        """Create a context, for nrta_cc_prepare."""
        self.core = core
        self.pairs = pairs


def _tensor_core(tensor: Tensor) -> int:
    """Return the core whose queues process a tensor's requests: that of its device memory, or else the first core."""
    core = tensor.core
    return 0 if core is None else session.core_index(core)


@status_call
def nrta_tensor_write(
    tensor: int, buf: CData, offset: int, size: int, queue: int, tracker: int, req_sequence: CData
) -> int:
    runtime, found = session.runtime(), session.tensor(tensor)
    found.view(offset, size)
    data = memory(buf, size, "buf")
    target = queue_of(_tensor_core(found), WRITE, queue)
    return submit("nrta_tensor_write", target, lambda: runtime.tensor_write(found, data, offset), tracker, req_sequence)


@status_call
def nrta_tensor_read(
    buf: CData, tensor: int, offset: int, size: int, queue: int, tracker: int, req_sequence: CData
) -> int:
    runtime, found = session.runtime(), session.tensor(tensor)
    found.view(offset, size)
    data = memory(buf, size, "buf")
    target = queue_of(_tensor_core(found), READ, queue)
    return submit(
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
    place = queue_of(_tensor_core(first), COPY, queue)
    return submit(
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
    return submit(
        "nrta_execute_schedule",
        queue_of(core, COMPUTE, queue),
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
        found = compute_queue(core)
        if found is not None:
            found.drain()
    return OK


@status_call
def nrta_is_completed(seq: int, is_completed: CData) -> int:
    found = queue_of_sequence(seq)
    require(is_completed, "is_completed")
    is_completed[0] = found.is_completed(seq)
    return OK


@status_call
def nrta_get_sequence(lnc: int, xu: int, queue: int, seq: CData) -> int:
    session.runtime()
    require(seq, "seq")
    seq[0] = queue_of(lnc, xu, queue).last_sequence
    return OK


@status_call
def nrta_get_completion_handle(seq: int, fd: CData) -> int:
    found = queue_of_sequence(seq)
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

    result = submit("nrta_cc_schedule", queue_of(context.core, COLLECTIVES, queue), copy_all, tracker, req_sequence)
    session.handles.take(cc_ctx[0], Context)
    cc_ctx[0] = 0
    return result


def _remove_callback() -> None:
    global _callback
    _callback = None


session.at_close(_remove_callback)
session.at_fork(_remove_callback)
