"""A full node (256 processes, 8 models on each of 64 cores) and a small node: the cost for readers."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from pathlib import Path

from benchmarks.harness import Figure, exponent, measured_before, microseconds_per_call, report
from neuron_monitor.collector import Collector
from neuron_monitor.config import default_config
from runtime_core.driver.node import open_or_set_up, set_up
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.nrt import NrtError, Runtime
from runtime_core.telemetry import open_source

MODELS = 8
_CORES = 64
_PROCESSES = (1, 4, 16, 64, 128, 256)
_MODELS_A_CORE = (1, 2, 4, 8)


def _page_class() -> Callable[..., object]:
    """The page of a process, which is in another module in older versions."""
    try:
        found: Callable[..., object] = import_module("runtime_core.driver.pages.page").RuntimePage
    except ModuleNotFoundError:
        found = import_module("runtime_core.driver.page").RuntimePage
    return found


def _model() -> Neff:
    x, y = (TensorSpec(name, DType.FLOAT32, (8,)) for name in "xy")
    copy = Instruction(EngineKind.DMA, "copy", ("x",), ("y",))
    return Neff(Graph("copy", (x,), (y,), (Node("n", NodeKind.NEURON, (x,), (y,), 0, (copy,)),)), uuid="0" * 32)


def _be_a_process(number: int, said: int) -> None:
    """Hold a page with models and counted executions until killed; report whether there was space for it."""
    try:
        page = _page_class()(open_or_set_up(), tag=f"p{number}", command="bench", version="0")
        core = number % _CORES
        for model in range(MODELS):
            page.add_model(model + 1, "model", "0" * 32, [(core, [1] * 4, [2] * 4)])  # type: ignore[attr-defined]
        for execution in range(500):
            page.count((core,), 0, 0, None, 2_100_000 + execution * 7919 % 400_000, 2_000_000)  # type: ignore[attr-defined]
        os.write(said, b"y")
        signal.pause()
    except NrtError:
        os.write(said, b"n")
    os._exit(0)


@contextmanager
def _processes(count: int) -> Iterator[int]:
    """Fork processes for the block; yields the number that found space."""
    heard, said = os.pipe()
    pids = []
    for number in range(count):
        pid = os.fork()
        if not pid:
            _be_a_process(number, said)
        pids.append(pid)
    answers = b""
    while len(answers) < count:
        answers += os.read(heard, count)
    try:
        yield answers.count(b"y")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(heard)
        os.close(said)


def _node(folder: str, size: str, name: str) -> None:
    os.environ["NEURON_SIM_ROOT"] = str(Path(folder) / name)
    set_up(type_name=size)


def measure() -> dict[str, float]:
    """Milliseconds of a snapshot, a report (by processes) and a load (by models per core); the space."""
    os.environ["NEURON_RT_LOG_LEVEL"] = "QUIET"
    figures: dict[str, float] = {}
    snapshots: dict[float, float] = {}
    with tempfile.TemporaryDirectory(prefix="neuron-bench-") as folder:
        for count in _PROCESSES:
            _node(folder, "inf1.xlarge" if count == 1 else "inf1.24xlarge", f"node{count}")
            with _processes(count) as room:
                source = open_source("sim")
                if room == count:
                    snapshots[count] = microseconds_per_call(source.snapshot, 20, 15) / 1e3
                    figures[f"ms, snapshot with {count} processes of {MODELS} models"] = snapshots[count]
                    collect = partial(Collector(source, default_config(), 0).collect, 0, everything=True)
                    figures[f"ms, report of {count} processes"] = microseconds_per_call(collect, 20, 15) / 1e3
                source.close()
            figures["processes that found room"] = room
        figures["exponent, from 16 processes on"] = exponent({n: s for n, s in snapshots.items() if n >= 16})
        loads: dict[float, float] = {}
        for each in _MODELS_A_CORE:
            _node(folder, "inf1.24xlarge", f"models{each}")
            neff = _model()
            with suppress(NrtError), Runtime(numerics=False) as runtime:
                started = time.process_time()
                for number in range(each * _CORES):
                    runtime.load(neff, number % _CORES)
                loads[each] = time.process_time() - started
                figures["models a core"] = each
                figures[f"ms, load with {each} models a core"] = loads[each] / each / _CORES * 1e3
        if len(loads) > 1:
            figures["exponent of loading all"] = exponent(loads)
    return figures


def main() -> None:
    """Measure, together with the older version if there is one."""
    now, before = measure(), measured_before("process_limits")
    goals = {"processes that found room": 256, "models a core": 8}
    figures = []
    for name, value in now.items():
        note = f"before: {before[name]:.4g}" if name in before else "before: no room" if before else ""
        unit, _, title = name.rpartition(", ") if name.startswith("ms") else ("", "", name)
        figures.append(Figure(title, value, unit, goals.get(name), at_most=False, note=note))
    report("process_limits", figures)


if __name__ == "__main__":
    main()
