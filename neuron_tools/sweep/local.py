"""Run jobs in processes on this machine. A process that dies is replaced, and its job runs again."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import NamedTuple

import msgspec

from neuron_tools.sweep.job import Done, Job, execute

_ATTEMPTS = 3
_SPAWN = multiprocessing.get_context("spawn")


class _Worker(NamedTuple):
    process: BaseProcess
    pipe: Connection


def _work(pipe: Connection) -> None:
    # The terminal sends Ctrl-C to all its processes; the parent decides what happens.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            payload = pipe.recv_bytes()
        except EOFError:
            return
        pipe.send_bytes(execute(payload))


def _start() -> _Worker:
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_work, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


class LocalEngine:
    """See :class:`.job.Engine`."""

    def __init__(self, workers: int | None = None) -> None:
        """``workers``: processes; default: one per CPU that this process may use."""
        self.workers = workers or len(os.sched_getaffinity(0))

    def run(self, jobs: Sequence[Job]) -> Iterator[Done]:
        """See the protocol."""
        waiting = deque(jobs)
        attempts: dict[int, int] = {}
        busy: dict[Connection, tuple[_Worker, Job]] = {}
        idle: list[_Worker] = []
        try:
            while waiting or busy:
                while waiting and len(busy) < self.workers:
                    worker, job = idle.pop() if idle else _start(), waiting.popleft()
                    attempts[job.number] = attempts.get(job.number, 0) + 1
                    busy[worker.pipe] = worker, job
                    try:
                        worker.pipe.send_bytes(msgspec.json.encode(job))
                    except BrokenPipeError:
                        # The worker has died; the read below detects this.
                        continue
                for pipe in wait(list(busy)):
                    assert isinstance(pipe, Connection)  # noqa: S101 - nothing else was given
                    worker, job = busy.pop(pipe)
                    try:
                        answer = pipe.recv_bytes()
                    except (EOFError, ConnectionResetError):
                        worker.process.join()
                        pipe.close()
                        if attempts[job.number] < _ATTEMPTS:
                            waiting.appendleft(job)
                            continue
                        status = worker.process.exitcode
                        yield Done(job.number, error=f"the worker process died {_ATTEMPTS} times (status {status})")
                        continue
                    idle.append(worker)
                    yield msgspec.json.decode(answer, type=Done)
        finally:
            for worker in (*idle, *(worker for worker, _ in busy.values())):
                worker.pipe.close()
                worker.process.kill()
                worker.process.join()
