"""The queues of the execution units of each NeuronCore, and how a call submits a request to one."""

from __future__ import annotations

import threading
from collections.abc import Callable

from runtime_core.libnrt import session
from runtime_core.libnrt.abi import OK, CData, require
from runtime_core.libnrt.queues import NUMBER_BITS, Ended, RequestQueue
from runtime_core.libnrt.refusal import CallError
from runtime_core.nrt.log import LogLevel, emit
from runtime_core.status import NrtError, NrtStatus

READ, WRITE, COPY, COMPUTE, COLLECTIVES = range(5)
"""The execution units of a core (``nrta_xu_t``)."""

_QUEUES_OF_UNIT = (2, 2, 2, 1, 3)
_MAX_QUEUES = 4

_guard = threading.Lock()
_queues: dict[int, RequestQueue] = {}


class ErrorTracker:
    """Errors of asynchronous requests, in the order in which they occurred."""

    def __init__(self) -> None:
        """No errors."""
        self.errors: list[tuple[int, int]] = []
        self.listed: CData | None = None


def _unit_id(core: int, unit: int, number: int) -> int:
    """Return an id of 16 bits that is never 0."""
    return 1 + (core * len(_QUEUES_OF_UNIT) + unit) * _MAX_QUEUES + number


def queue_of(core: int, unit: int, number: int) -> RequestQueue:
    """Return a queue of an execution unit; it is created on first use.

    Raises:
        NrtError: INVALID for a core, unit or queue that does not exist.
    """
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


def compute_queue(core: int) -> RequestQueue | None:
    """Return the queue of a core's executions; ``None`` if no request was ever submitted to it."""
    return _queues.get(_unit_id(core, COMPUTE, 0))


def queue_of_sequence(sequence: int) -> RequestQueue:
    """Return the queue that a sequence number belongs to.

    Raises:
        NrtError: INVALID, if no queue has such sequence numbers.
    """
    session.runtime()
    found = _queues.get(sequence >> NUMBER_BITS)
    if found is None:
        raise CallError(NrtStatus.INVALID, f"{sequence:#x} is not the sequence number of a request")
    return found


def submit(
    call: str,
    queue: RequestQueue,
    operation: Callable[[], None],
    tracker: int,
    req_sequence: CData,
    ended: Ended | None = None,
) -> int:
    """Submit a request and write its sequence number to ``req_sequence``.

    Args:
        call: name of the calling function, for the log.
        queue: where to submit it.
        operation: the work to do.
        tracker: handle of the :class:`ErrorTracker` that collects its error; 0: none.
        req_sequence: receives the sequence number.
        ended: called after the operation, before the request counts as completed.
    """
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


def _stop() -> None:
    for found in list(_queues.values()):
        found.stop()
    _queues.clear()


def _forget() -> None:
    global _guard
    _guard = threading.Lock()
    _queues.clear()


session.at_close(_stop)
session.at_fork(_forget)
