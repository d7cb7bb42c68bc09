"""Queues of asynchronous requests; each queue has one worker thread that processes them in order."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Callable
from typing import NamedTuple

from runtime_core.libnrt.refusal import CallError
from runtime_core.status import NrtStatus

MAX_PENDING = 1024
"""Maximum number of incomplete requests per queue; further requests are refused with QUEUE_FULL."""

NUMBER_BITS = 48

Operation = Callable[[], None]
Failed = Callable[[int, BaseException], NrtStatus]
"""Callback for a failed request, with its sequence number and the error."""
Ended = Callable[[int, NrtStatus], None]


class Request(NamedTuple):
    """A pending request.

    Attributes:
        sequence: sequence number.
        operation: the work to do.
        failed: called with an error.
        ended: called after the operation, before the request counts as completed.
    """

    sequence: int
    operation: Operation
    failed: Failed
    ended: Ended | None


class RequestQueue:
    """One queue of an execution unit. The top 16 bits of its sequence numbers are its id."""

    def __init__(self, unit_id: int) -> None:
        """Create an empty queue; its thread starts with the first request."""
        self._base = unit_id << NUMBER_BITS
        self._items: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._scheduled = 0
        self._completed = 0
        self._waiting: list[tuple[int, int]] = []
        self._worker: threading.Thread | None = None

    @property
    def last_sequence(self) -> int:
        """Sequence number of the last request; before the first request, only the queue's id."""
        return self._base | self._scheduled

    def submit(self, operation: Operation, failed: Failed, ended: Ended | None = None) -> int:
        """Append a request, and return its sequence number.

        Raises:
            CallError: QUEUE_FULL.
        """
        with self._changed:
            if self._scheduled - self._completed >= MAX_PENDING:
                raise CallError(NrtStatus.QUEUE_FULL, f"{MAX_PENDING} requests are pending", mend="wait for one")
            self._scheduled += 1
            sequence = self.last_sequence
            self._items.put(Request(sequence, operation, failed, ended))
            if self._worker is None:
                self._worker = _start(self._work)
        return sequence

    def is_completed(self, sequence: int) -> bool:
        """Return whether a request has ended.

        Raises:
            CallError: INVALID for a number that was never assigned.
        """
        number = self._number(sequence)
        with self._changed:
            return number <= self._completed

    def completion_handle(self, sequence: int) -> int:
        """Return a new descriptor that becomes readable when the request has ended; the caller must close it.

        Raises:
            CallError: INVALID for a number that was never assigned, RESOURCE if there are no free descriptors.
        """
        number = self._number(sequence)
        try:
            handle = os.eventfd(0, os.EFD_CLOEXEC)
        except OSError as error:
            raise CallError(NrtStatus.RESOURCE, f"no event descriptor: {error.strerror}") from error
        with self._changed:
            if number <= self._completed:
                os.eventfd_write(handle, 1)
            else:
                try:
                    # The caller may close its descriptor early, and the number may then belong to another file.
                    self._waiting.append((number, os.dup(handle)))
                except OSError as error:
                    os.close(handle)
                    raise CallError(NrtStatus.RESOURCE, f"no event descriptor: {error.strerror}") from error
        return handle

    def drain(self) -> None:
        """Wait until all requests submitted so far have ended."""
        with self._changed:
            last = self._scheduled
            self._changed.wait_for(lambda: self._completed >= last)

    def stop(self) -> None:
        """End the thread after the requests submitted so far. If called from the thread itself, do not wait."""
        with self._changed:
            worker, self._worker = self._worker, None
        if worker is not None:
            self._items.put(None)
            if worker.ident != threading.get_ident():
                worker.join()

    def _number(self, sequence: int) -> int:
        number = sequence - self._base
        if not 0 <= number <= self._scheduled:
            raise CallError(NrtStatus.INVALID, f"{sequence:#x} is not the sequence number of a request")
        return number

    def _work(self) -> None:
        while (request := self._items.get()) is not None:
            status = NrtStatus.SUCCESS
            try:
                request.operation()
            except Exception as error:
                status = request.failed(request.sequence, error)
            if request.ended is not None:
                request.ended(request.sequence, status)
            self._complete()

    def _complete(self) -> None:
        with self._changed:
            self._completed += 1
            ready = [handle for number, handle in self._waiting if number <= self._completed]
            self._waiting = [(n, handle) for n, handle in self._waiting if n > self._completed]
            self._changed.notify_all()
        for handle in ready:
            os.eventfd_write(handle, 1)
            os.close(handle)


def _start(work: Callable[[], None]) -> threading.Thread:
    """Start a thread that receives no signals of the host program."""
    before = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
    try:
        worker = threading.Thread(target=work, name="libnrt queue", daemon=True)
        worker.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return worker
