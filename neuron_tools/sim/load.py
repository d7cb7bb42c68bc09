"""The load of ``neuron-sim run``: threads that execute models at a rate or back to back, and its results."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from neuron_tools.sim.load_results import ProcessResult
from runtime_core.errors import ModelFileError, NodeError, UsageError
from runtime_core.files import check_model_file, read_regular
from runtime_core.histogram import Histogram
from runtime_core.neff.reader import named
from runtime_core.nrt import LoadedModel, NrtError, NrtStatus, Runtime
from runtime_core.telemetry import Snapshot, open_source
from runtime_core.telemetry.snapshot import Runtime as RuntimeSnapshot

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runtime_core.neff.graph import Graph


_PAUSE_ON_LOST_DEVICE_SECONDS = 0.1


class LoadPlan(NamedTuple):
    """A load.

    Attributes:
        threads: number of threads of each process.
        rate_per_second: rate of all threads and processes together; ``None``: back to back.
        seconds: duration; 0: until stopped.
        processes: number of processes among which the cores are divided.
    """

    models: tuple[Path, ...]
    visible_cores: str | None
    num_cores: int | None
    threads: int
    rate_per_second: float | None
    seconds: float
    tag: str | None
    numerics: bool
    processes: int = 1


def check_plan(plan: LoadPlan) -> None:
    """Validate a plan.

    Raises:
        UsageError: the rate or duration is invalid, or a model file cannot be read.
    """
    if plan.rate_per_second is not None and not 0 < plan.rate_per_second <= 1e6:
        raise UsageError("expected executions per second, more than 0", where=f"--rate {plan.rate_per_second:g}")
    if not 0 <= plan.seconds < 1e9:
        raise UsageError("expected seconds, 0 for no end", where=f"--duration {plan.seconds:g}")
    for path in plan.models:
        check_model_file(path)


def neff_bytes(path: Path, *, batch: int | None = None) -> bytes:
    """Return the NEFF of a model file; an ONNX file is compiled.

    Raises:
        ModelFileError: the file cannot be read or compiled.
    """
    if path.suffix == ".onnx":
        from runtime_core.compiler import CompileOptions
        from runtime_core.compiler import compile as compile_model
        from runtime_core.neff.writer import encode_neff

        return encode_neff(compile_model(path, CompileOptions(batch=batch)))
    try:
        return read_regular(path)
    except OSError as error:
        raise ModelFileError(f"cannot read the file: {error.strerror}", where=str(path)) from None


def seeded_inputs(graph: Graph) -> dict[str, NDArray[np.generic]]:
    """Return inputs for a model: random numbers, equal in every run."""
    import numpy as np

    from runtime_core.engine.numerics import numpy_dtype

    rng = np.random.default_rng(0)
    made: dict[str, NDArray[np.generic]] = {}
    for spec in graph.inputs:
        dtype = numpy_dtype(spec.dtype)
        if dtype.kind in "iub":
            # Small numbers are valid token and index inputs of any network.
            made[spec.name] = rng.integers(0, 2, spec.shape).astype(dtype)
        else:
            made[spec.name] = rng.standard_normal(spec.shape, np.float32).astype(dtype)
    return made


def process_environment(plan: LoadPlan) -> dict[str, str]:
    """Return the process's environment with the variables that the plan sets."""
    environment = dict(os.environ)
    if plan.visible_cores is not None:
        environment["NEURON_RT_VISIBLE_CORES"] = plan.visible_cores
    elif plan.num_cores is not None:
        environment["NEURON_RT_NUM_CORES"] = str(plan.num_cores)
    if plan.tag is not None:
        environment["NEURON_PROCESS_TAG"] = plan.tag
    return environment


class Load:
    """Threads that execute the models of a runtime in turn until stopped."""

    def __init__(self, runtime: Runtime, plan: LoadPlan, neffs: Iterable[tuple[Path, bytes]]) -> None:
        """Load every model once on each core, or each group of cores, that the process owns.

        Args:
            runtime: the runtime, which owns the cores.
            plan: the load.
            neffs: file of each model, which errors name, and its NEFF.
        """
        self._runtime = runtime
        self._plan = plan
        self._stop = threading.Event()
        self._guard = threading.Lock()
        self._next = 0
        self._late = 0
        self._started_ns = 0
        self._ended_ns = 0
        self._models: list[LoadedModel] = []
        self._inputs: list[dict[str, NDArray[np.generic]]] = []
        for path, neff in neffs:
            with named(path):
                first = runtime.load(neff, 0)
            needed = len(first.cores)
            copies = [
                first,
                *(runtime.load(first.neff, s) for s in range(needed, len(runtime.cores) - needed + 1, needed)),
            ]
            inputs = seeded_inputs(first.graph) if plan.numerics else {}
            self._models += copies
            self._inputs += [inputs] * len(copies)
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(plan.threads)]

    @property
    def model_names(self) -> tuple[str, ...]:
        """Names of the loaded models, without duplicates."""
        return tuple(dict.fromkeys(m.graph.name for m in self._models))

    def start(self) -> Snapshot:
        """Start the threads; returns a snapshot of the node taken just before."""
        before = self._look()
        self._started_ns = time.monotonic_ns()
        for thread in self._threads:
            thread.start()
        return before

    def stop(self) -> Snapshot:
        """Wait for running executions; returns a snapshot of the node taken then."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self._look()

    def _look(self) -> Snapshot:
        source = open_source(f"sim:{self._runtime.node_root}")
        try:
            return source.snapshot()
        finally:
            source.close()

    def _take(self) -> tuple[int, int] | None:
        """Return the number and the start time of the next execution; ``None`` when the time is up."""
        plan = self._plan
        with self._guard:
            number = self._next
            now_ns = time.monotonic_ns()
            due_ns = now_ns
            if plan.rate_per_second is not None:
                # Computed from the start, so that a late execution does not delay the next one.
                due_ns = self._started_ns + round(number * 1e9 / plan.rate_per_second)
            if plan.seconds and due_ns - self._started_ns >= plan.seconds * 1e9:
                return None
            self._next += 1
            # Later than the jitter of scheduling, so no thread was free when it was due.
            self._late += now_ns - due_ns > 5_000_000
        return number, due_ns

    def _work(self) -> None:
        try:
            self._execute()
        finally:
            # Whoever waits for the threads notices their end later, which would lower the throughput.
            with self._guard:
                self._ended_ns = max(self._ended_ns, time.monotonic_ns())

    def _execute(self) -> None:
        while not self._stop.is_set():
            taken = self._take()
            if taken is None:
                # The time until the next execution would be due is part of the run: without it, the throughput would
                # exceed the rate.
                left_seconds = self._plan.seconds - (time.monotonic_ns() - self._started_ns) / 1e9
                self._stop.wait(max(0.0, left_seconds))
                return
            number, due_ns = taken
            left_seconds = (due_ns - time.monotonic_ns()) / 1e9
            if left_seconds > 0 and self._stop.wait(left_seconds):
                return
            place = number % len(self._models)
            try:
                self._runtime.infer(self._models[place], self._inputs[place])
            except NrtError as error:
                if error.status is NrtStatus.CLOSED:
                    # The node is gone: no execution can succeed any more.
                    self._stop.set()
                    return
                # The telemetry, which the summary reads, counts failures by outcome.
                if error.status is NrtStatus.EXEC_UNIT_UNRECOVERABLE:
                    # Such a failure takes no time, and back to back it would only fill the log.
                    self._stop.wait(_PAUSE_ON_LOST_DEVICE_SECONDS)

    @property
    def running(self) -> bool:
        """Whether any thread still runs."""
        return any(thread.is_alive() for thread in self._threads)

    def now(self) -> RuntimeSnapshot:
        """Return this process's counters, as viewers show them."""
        return _own(self._look())

    def result(self, before: Snapshot, after: Snapshot) -> ProcessResult:
        """Return the counts of this process between two snapshots."""
        first, last = _own(before), _own(after)
        counts = last.executions._asdict() if last.executions is not None else {}
        latency, device = last.total_latency or Histogram(), last.device_latency or Histogram()
        return ProcessResult(
            last.tag,
            last.pid,
            self.model_names,
            counts,
            self._started_ns,
            self._ended_ns,
            (latency.sum_ns, dict(latency.buckets)),
            (device.sum_ns, dict(device.buckets)),
            {
                core: max(0, (use.busy_ns or 0) - ((first.cores[core].busy_ns or 0) if core in first.cores else 0))
                for core, use in last.cores.items()
            },
            self._late,
        )


def _own(snapshot: Snapshot) -> RuntimeSnapshot:
    found = next((runtime for runtime in snapshot.runtimes if runtime.pid == os.getpid()), None)
    if found is None:
        raise NodeError("the node was taken down during the run", mend="set it up and start the run again")
    return found
