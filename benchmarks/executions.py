"""Executions per second of an application without numerics: the cost of each, and the gain of several processes.

*Ours* is the bookkeeping of one execution: CPU time of ``infer`` with a clock that returns at once, without the time of
the clock. Other costs in a busy process are waking threads and the interpreter lock, which ``neuron-sim run
--processes`` distributes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.harness import Figure, measured_before, report
from runtime_core.driver.node import set_up
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.neff.writer import save_neff
from runtime_core.nrt import LoadedModel, Runtime

_CORES = 64
_THREADS = (1, 4, 16, 64)
_SECONDS = 1.5
_ENVIRONMENT = {"NEURON_RT_VISIBLE_CORES": f"0-{_CORES - 1}"}


class _Clock:
    """A clock that does not wait, but advances to the end of each execution."""

    ahead_ns = 0

    def now_ns(self) -> int:
        return time.monotonic_ns() + self.ahead_ns

    def sleep_until(self, deadline_ns: int) -> None:
        self.ahead_ns += max(0, deadline_ns - self.now_ns())


def _small() -> Neff:
    x, y = TensorSpec("x", DType.FLOAT32, (2, 3)), TensorSpec("y", DType.FLOAT32, (2, 4))
    weight = Parameter(TensorSpec("w", DType.FLOAT32, (3, 4)), 0)
    multiply = Instruction(EngineKind.PE, "matmul", ("x", "w"), ("y",))
    node = Node("n", NodeKind.NEURON, (x,), (y,), 0, (multiply,), (weight,), (), 48)
    return Neff(Graph("small", (x,), (y,), (node,)), {"n": bytes(48)}, uuid="0" * 32)


def _least_microseconds(turns: int, rounds: int, call: object, *arguments: object) -> float:
    """The minimum CPU time of a call, because disturbances can only increase it."""
    least = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        for _ in range(turns):
            call(*arguments)  # type: ignore[operator]
        least = min(least, time.process_time() - started)
    return least / turns * 1e6


def _bookkeeping() -> float:
    """Microseconds of bookkeeping per execution."""
    clock = _Clock()
    with Runtime(numerics=False, environment=_ENVIRONMENT, clock=clock) as runtime:
        model = runtime.load(_small(), 0)
        whole = _least_microseconds(300, 200, runtime.infer, model, {})

    def wait() -> None:
        # The number of times that an execution reads the clock and waits.
        clock.now_ns()
        clock.now_ns()
        clock.sleep_until(clock.now_ns() + 1000)

    return whole - _least_microseconds(300, 200, wait)


def _threads(count: int) -> float:
    """Executions per second of threads that use the cores in turn, under the real clock."""
    done = [0] * count
    stop = threading.Event()

    def work(number: int, runtime: Runtime, models: list[LoadedModel]) -> None:
        core = number
        while not stop.is_set():
            runtime.infer(models[core % _CORES], {})
            done[number] += 1
            core += count

    with Runtime(numerics=False, environment=_ENVIRONMENT) as runtime:
        models = [runtime.load(_small(), core) for core in range(_CORES)]
        threads = [threading.Thread(target=work, args=(number, runtime, models)) for number in range(count)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        time.sleep(_SECONDS)
        stop.set()
        for thread in threads:
            thread.join()
        return sum(done) / (time.perf_counter() - started)


def measure() -> dict[str, float]:
    """Microseconds of bookkeeping, and executions per second by number of threads in one process."""
    os.environ["NEURON_RT_LOG_LEVEL"] = "QUIET"
    with tempfile.TemporaryDirectory(prefix="neuron-bench-") as folder:
        os.environ["NEURON_SIM_ROOT"] = str(Path(folder) / "node")
        set_up(type_name="inf1.24xlarge")
        figures = {"us, ours in an execution": _bookkeeping()}
        for count in _THREADS:
            figures[f"/s, one process with {count} threads"] = _threads(count)
    return figures


def _processes(count: int) -> float:
    """Executions per second of ``neuron-sim run`` with 64 threads in all."""
    with tempfile.TemporaryDirectory(prefix="neuron-bench-") as folder:
        root, model = str(Path(folder) / "node"), Path(folder) / "small.neff"
        set_up(Path(root), type_name="inf1.24xlarge")
        save_neff(_small(), model)
        threads = ["--processes", str(count), "--threads", str(64 // count), "--duration", str(2 * _SECONDS)]
        command = [sys.executable, "-m", "neuron_tools.sim", "run", str(model), "--no-numerics", "--json", *threads]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env={**os.environ, "NEURON_SIM_ROOT": root})
        return float(json.loads(done.stdout)["throughput_per_second"])


def main() -> None:
    """Measure both, and the older version if there is one."""
    now, before = measure(), measured_before("executions")
    figures = []
    for name, value in now.items():
        unit, _, title = name.partition(", ")
        note = f"before: {before[name]:.4g} {unit}" if name in before else ""
        figures.append(Figure(title, value, unit, 8.0 if unit == "us" else None, note=note))
    alone = _processes(1)
    figures.append(Figure("neuron-sim run, one process", alone, "/s"))
    for count in (2, 4):
        rate = _processes(count)
        figures.append(Figure(f"neuron-sim run --processes {count}", rate, "/s", note=f"{rate / alone:.2f} x of one"))
    report("executions", figures)
