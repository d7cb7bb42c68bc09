"""Measure a setup under the wall clock: one thread per client, on a node that other tools can observe."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from neuron_tools.bench.result import Observed
from neuron_tools.bench.setups import Setup
from neuron_tools.bench.window import look, observed, window_of
from runtime_core.driver.node import set_up
from runtime_core.engine.execution import LoadedModel
from runtime_core.neff.model import Neff
from runtime_core.nrt import NrtError, Runtime

_RETRY_SECONDS = 0.001
_STACK_BYTES = 256 * 1024
"""Stack size of client threads; a large node has many clients, which need little stack."""


@contextlib.contextmanager
def node_for(type_name: str | None) -> Iterator[Path | None]:
    """Yield the directory of a temporary node of a size; ``None``: use the environment's node."""
    if type_name is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="neuron-bench-"))
    try:
        set_up(folder / "node", type_name=type_name)
        yield folder / "node"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_real(
    setup: Setup,
    neff: Neff,
    *,
    root: Path | None,
    seconds: float | None,
    rate_per_second: float | None = None,
    jitter: bool = True,
) -> Observed:
    """Measure a setup.

    Args:
        setup: the setup to run.
        neff: the model in the shape of the setup.
        root: directory of the node; default: the environment's node.
        seconds: duration after the warm-up; ``None``: 10, or longer if a slow model requires it.
        rate_per_second: samples offered, evenly spaced; ``None``: back to back.
        jitter: vary execution times, from the node's seed.

    Raises:
        NrtError: there are not enough free cores, or the copies do not fit in the devices' memory.
    """
    environment = dict(os.environ)
    environment.setdefault("NEURON_PROCESS_TAG", "neuron-bench")
    environment.pop("NEURON_RT_VISIBLE_CORES", None)
    environment["NEURON_RT_NUM_CORES"] = str(setup.cores)
    with Runtime(root=root, environment=environment, numerics=False, jitter=jitter) as runtime:
        models = [runtime.load(neff, setup.first_core(copy)) for copy in range(setup.models)]
        window = window_of(setup, models[0].plan, seconds)
        clients = _Clients(runtime, setup, models, rate_per_second)
        started_ns = clients.start()
        try:
            _sleep_until(started_ns + window.start_ns)
            cpu_before = time.process_time()
            before = look(runtime.node_root, os.getpid())
            _sleep_until(started_ns + window.end_ns)
            after = look(runtime.node_root, os.getpid())
            cpu_seconds = time.process_time() - cpu_before
        finally:
            clients.stop()
        return observed(before, after, clients.latencies_between(before.time_ns, after.time_ns), cpu_seconds)


def _sleep_until(deadline_ns: int) -> None:
    time.sleep(max(0.0, (deadline_ns - time.monotonic_ns()) / 1e9))


class _Clients:
    """Threads that send requests back to back, or at given times."""

    def __init__(self, runtime: Runtime, setup: Setup, models: list[LoadedModel], rate: float | None) -> None:
        self._runtime = runtime
        self._stop = threading.Event()
        self._guard = threading.Lock()
        self._taken = 0
        self._setup = setup
        self._models = models
        self._requests_per_second = None if rate is None else rate / setup.request_samples
        self._started_ns = 0
        work: Callable[[int, list[tuple[int, int]]], None] = self._back_to_back if rate is None else self._as_due
        # Runs all executions of a request except the first, which the client runs itself.
        helpers = setup.clients * (setup.request_executions - 1)
        self._helpers = ThreadPoolExecutor(helpers) if helpers else None
        # Each thread has its own list of (end, latency), so that threads share no data.
        self._logs: list[list[tuple[int, int]]] = []
        self._threads: list[threading.Thread] = []
        for client in range(setup.clients):
            log: list[tuple[int, int]] = []
            self._logs.append(log)
            self._threads.append(threading.Thread(target=work, args=(client, log), daemon=True))

    def start(self) -> int:
        """Start the threads; return the CLOCK_MONOTONIC time of the start."""
        self._started_ns = time.monotonic_ns()
        before = threading.stack_size(_STACK_BYTES)
        try:
            for thread in self._threads:
                thread.start()
        finally:
            threading.stack_size(before)
        return self._started_ns

    def stop(self) -> None:
        """Stop the threads after their running executions."""
        self._stop.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        if self._helpers is not None:
            self._helpers.shutdown()

    def latencies_between(self, first_ns: int, last_ns: int) -> Counter[int]:
        """Return the latencies of requests that ended after the first time and not after the last."""
        return Counter(latency_ns for log in self._logs for end_ns, latency_ns in log if first_ns < end_ns <= last_ns)

    def _execute(self, client: int, number: int, since_ns: int, log: list[tuple[int, int]]) -> None:
        first, *others = (self._models[copy] for copy in self._setup.copies_of(client, number))
        started = [self._helpers.submit(self._runtime.infer, model, {}) for model in others] if self._helpers else []
        try:
            self._runtime.infer(first, {})
            for execution in started:
                execution.result()
        except NrtError:
            # The runtime counts it. The pause avoids a busy loop of refused executions.
            self._stop.wait(_RETRY_SECONDS)
            return
        end_ns = time.monotonic_ns()
        log.append((end_ns, end_ns - since_ns))

    def _back_to_back(self, client: int, log: list[tuple[int, int]]) -> None:
        for number in itertools.count():
            if self._stop.is_set():
                return
            self._execute(client, number, time.monotonic_ns(), log)

    def _as_due(self, client: int, log: list[tuple[int, int]]) -> None:
        for number in itertools.count():
            if self._stop.is_set():
                return
            due_ns = self._next_due()
            left_seconds = (due_ns - time.monotonic_ns()) / 1e9
            if left_seconds > 0 and self._stop.wait(left_seconds):
                return
            self._execute(client, number, due_ns, log)

    def _next_due(self) -> int:
        with self._guard:
            number, self._taken = self._taken, self._taken + 1
        # Computed from the start, so that a late request does not delay the next one.
        return self._started_ns + round(number * 1e9 / (self._requests_per_second or 1.0))
