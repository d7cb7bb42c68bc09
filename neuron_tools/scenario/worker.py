"""One application of a scenario as a separate process, under the real clock (``python -m``).

It reads its part of the scenario as JSON from standard input, prints ``started`` once its models are loaded, and runs
until SIGTERM. If it cannot start, it prints one line on standard error and exits with status 1.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from neuron_tools.scenario.arrivals import arrival_times_ns
from neuron_tools.scenario.models import make_model
from neuron_tools.scenario.schema import ApplicationSpec, ModelSpec, seconds_of
from neuron_tools.scenario.world import allocate_tensors
from runtime_core.errors import NeuronError
from runtime_core.nrt import LoadedModel, NrtError, Runtime

_PAUSE_SECONDS = 0.001
"""Pause after an execution that was refused immediately, as under the virtual clock."""


class Job(msgspec.Struct, frozen=True):
    """Configuration of a worker."""

    application: ApplicationSpec
    models: dict[str, ModelSpec]
    folder: str
    seed: str


class _Arrivals:
    """Arrival times of requests, shared by the threads of a pool."""

    def __init__(self, times_ns: Iterator[int]) -> None:
        self._times_ns = times_ns
        self._guard = threading.Lock()

    def take(self) -> int | None:
        with self._guard:
            return next(self._times_ns, None)


def _pool_thread(runtime: Runtime, models: list[LoadedModel], arrivals: _Arrivals, stopped: threading.Event) -> None:
    number = 0
    while not stopped.is_set():
        due_ns = arrivals.take()
        if due_ns is None or stopped.wait(max(0.0, (due_ns - time.monotonic_ns()) / 1e9)):
            return
        _execute(runtime, models[number % len(models)])
        number += 1


def _closed_thread(runtime: Runtime, model: LoadedModel, think_seconds: float, stopped: threading.Event) -> None:
    while not stopped.wait(think_seconds):
        if not _execute(runtime, model):
            stopped.wait(_PAUSE_SECONDS)


def _execute(runtime: Runtime, model: LoadedModel) -> bool:
    try:
        runtime.infer(model, {})
    except NrtError:
        # The telemetry, which the scenario reads, counts failures by outcome.
        return False
    return True


def run_job(job: Job) -> None:
    """Run an application until SIGTERM.

    Raises:
        NeuronError: it cannot start.
    """
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stopped.set())
    application, folder = job.application, Path(job.folder)
    environment = {
        "NEURON_RT_VISIBLE_CORES": application.cores or "",
        "NEURON_PROCESS_TAG": application.tag,
        "NEURON_RT_EXEC_TIMEOUT": str(seconds_of(application.timeout)),
    }
    with Runtime(environment=environment, numerics=False) as runtime:
        models: list[LoadedModel] = []
        for name in application.models:
            neff = make_model(name, job.models[name], folder)
            needed = neff.graph.core_count
            last = max(1, len(runtime.cores) - needed + 1)
            models += [runtime.load(neff, first) for first in range(0, last, needed)]
        allocate_tensors(runtime, application)
        threads = _threads(job, runtime, models, stopped)
        for thread in threads:
            thread.start()
        print("started", flush=True)
        stopped.wait()
        for thread in threads:
            thread.join()


def _threads(job: Job, runtime: Runtime, models: list[LoadedModel], stopped: threading.Event) -> list[threading.Thread]:
    closed = job.application.arrivals.closed
    if closed is not None:
        think_seconds = seconds_of(closed.think)
        return [
            threading.Thread(target=_closed_thread, args=(runtime, model, think_seconds, stopped))
            for model in models
            for _ in range(closed.workers)
        ]
    rng = random.Random(job.seed)  # noqa: S311 - chance that can be repeated
    times_ns = arrival_times_ns(job.application.arrivals, rng, time.monotonic_ns(), Path(job.folder))
    arrivals = _Arrivals(times_ns)
    return [
        threading.Thread(
            target=_pool_thread,
            args=(runtime, models[n % len(models) :] + models[: n % len(models)], arrivals, stopped),
        )
        for n in range(job.application.threads)
    ]


def main() -> int:
    """Entry point."""
    # The terminal sends Ctrl-C to all its processes, but the scenario's process decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("NEURON_RT_LOG_LEVEL", "QUIET")
    try:
        run_job(msgspec.json.decode(sys.stdin.buffer.read(), type=Job))
    except NrtError as error:
        print(f"{error} (status {error.status.value})", file=sys.stderr)
        return 1
    except NeuronError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
