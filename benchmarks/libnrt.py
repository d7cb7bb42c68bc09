"""The overhead of the C library per call, at start and in memory, compared with Python and an empty cffi function."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks.harness import Figure, processes_seconds, report
from runtime_core import nrt
from runtime_core.libnrt.build import build
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.neff.writer import encode_neff

_HERE = Path(__file__).parent
_CALLS = 2000
_ROUNDS = 5
_MEMORY_CALLS = 100_000
_THREADS = (1, 4, 16)

_EMPTY_MAIN = """
#include <stdio.h>
#include <time.h>
extern int empty(void);
int main(void) {
    struct timespec a, b;
    long sum = empty();
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < 200000; i++) sum += empty();
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("%f\\n", ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec)) / 200000 / 1e3);
    return sum != 0;
}
"""


def _small_neff() -> bytes:
    """A matrix product that takes almost no time on the chip, so that only the runtime's time remains."""
    shape = (1, 16)
    x, y = (TensorSpec(name, DType.FLOAT32, shape) for name in ("x", "y"))
    weight = np.eye(16, dtype=np.float32)
    node = Node(
        "a", NodeKind.NEURON, (x,), (y,), 0, (Instruction(EngineKind.PE, "matmul", ("x", "w"), ("y",), {}, 0),),
        (Parameter(TensorSpec("w", DType.FLOAT32, weight.shape), 0),), (), weight.nbytes,
    )  # fmt: skip
    return encode_neff(Neff(Graph("small", (x,), (y,), (node,), core_count=1), {"a": weight.tobytes()}))


def _compile(folder: Path, prefix: Path) -> Path:
    program = folder / "libnrt-bench"
    library = prefix / "lib"
    subprocess.run(
        ["cc", "-O2", f"-I{prefix}/include", str(_HERE / "libnrt.c"), "-o", str(program), f"-L{library}", "-lnrt",
         f"-Wl,-rpath,{library}", "-pthread"],
        check=True,
    )  # fmt: skip
    return program


def _empty_embedded_us(folder: Path) -> float:
    """A function that returns 0, embedded with cffi as in its documentation."""
    from cffi import FFI

    ffi = FFI()
    ffi.embedding_api("int empty(void);")
    ffi.set_source("_empty", "")
    ffi.embedding_init_code("from _empty import ffi\n@ffi.def_extern()\ndef empty():\n    return 0\n")
    ffi.emit_c_code(str(folder / "empty.c"))
    (folder / "main.c").write_text(_EMPTY_MAIN)
    libpython = sysconfig.get_config_var("LIBDIR")
    version = sysconfig.get_config_var("LDVERSION")
    subprocess.run(
        ["cc", "-O2", "-w", f"-I{sysconfig.get_path('include')}", str(folder / "empty.c"), str(folder / "main.c"), "-o",
         str(folder / "empty"), f"-L{libpython}", f"-Wl,-rpath,{libpython}", f"-lpython{version}", "-pthread"],
        check=True,
    )  # fmt: skip
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path[1:]), "PYTHONHOME": sys.base_prefix}
    return float(subprocess.run([folder / "empty"], env=variables, check=True, capture_output=True).stdout)


def _run(program: Path, mode: str, neff: Path, *numbers: int) -> float:
    done = subprocess.run([program, mode, neff, *map(str, numbers)], check=True, stdout=subprocess.PIPE)
    return float(done.stdout)


def _python_medians_us(neff: bytes) -> tuple[float, float]:
    """Median wall time and thread CPU time of ``nrt.execute`` on tensor sets."""
    nrt.init(numerics=False)
    model = nrt.load(neff, 0)
    inputs, outputs = _sets()
    found = []
    for clock in (time.perf_counter_ns, time.thread_time_ns):
        times = []
        for _ in range(_CALLS):
            started = clock()
            nrt.execute(model, inputs, outputs)
            times.append(clock() - started)
        found.append(statistics.median(times) / 1e3)
    nrt.close()
    return found[0], found[1]


def _sets() -> tuple[nrt.TensorSet, nrt.TensorSet]:
    both = []
    for name in ("x", "y"):
        made = nrt.allocate_tensor_set()
        nrt.add_tensor_to_tensor_set(made, name, nrt.tensor_allocate(nrt.TensorPlacement.VIRTUAL, 0, 64, name))
        both.append(made)
    return both[0], both[1]


def _python_threads_us(neff: bytes, threads: int, calls: int) -> float:
    nrt.init(numerics=False)
    model = nrt.load(neff, 0)

    def work() -> None:
        inputs, outputs = _sets()
        for _ in range(calls):
            nrt.execute(model, inputs, outputs)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    started = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    elapsed = time.perf_counter() - started
    nrt.close()
    return elapsed / (threads * calls) * 1e6


def main() -> None:
    """Measure on a temporary node, in turns, so that load of the machine affects both sides equally."""
    with tempfile.TemporaryDirectory(prefix="neuron-bench-") as name:
        folder = Path(name)
        os.environ["NEURON_SIM_ROOT"] = str(folder / "node")
        os.environ["NEURON_SIM_NUMERICS"] = "off"
        os.environ["NEURON_RT_LOG_LEVEL"] = "ERROR"
        build(folder / "prefix")
        program = _compile(folder, folder / "prefix")
        neff = folder / "small.neff"
        neff.write_bytes(_small_neff())
        wall, cpu = [], []
        for _ in range(_ROUNDS):
            python_wall, python_cpu = _python_medians_us(neff.read_bytes())
            wall.append((_run(program, "execute", neff, _CALLS), python_wall))
            cpu.append((_run(program, "cpu", neff, _CALLS), python_cpu))
        added_wall = statistics.median(c - p for c, p in wall)
        added_cpu = statistics.median(c - p for c, p in cpu)
        figures = [
            Figure(
                "added to one nrt_execute, no numerics", added_wall, "us", 30.0, note="median of medians, C - Python"
            ),
            Figure("the same, CPU time of the thread", added_cpu, "us", 30.0),
            Figure("nrt_execute from C, CPU time", statistics.median(c for c, _ in cpu), "us"),
            Figure("peer: nrt.execute in Python, CPU time", statistics.median(p for _, p in cpu), "us"),
            Figure("nrt_tensor_get_size from C", _run(program, "size", neff, 200_000), "us"),
            Figure("peer: an empty cffi-embedded function", _empty_embedded_us(folder), "us"),
        ]
        for threads in _THREADS:
            calls = _CALLS // threads
            rate = 1e6 / _run(program, "threads", neff, calls, threads)
            figures.append(Figure(f"{threads} threads: executions from C", rate, "/s"))
            peer = 1e6 / _python_threads_us(neff.read_bytes(), threads, calls)
            figures.append(Figure(f"peer: {threads} threads in Python", peer, "/s"))
        init, imported = processes_seconds(
            [([str(program), "init", str(neff)], None), ([sys.executable, "-c", "import numpy"], None)]
        )
        figures += [
            Figure("a C program that calls nrt_init, whole process", init * 1e3, "ms"),
            Figure("peer: python -c 'import numpy'", imported * 1e3, "ms"),
            Figure("nrt_init : import numpy", init / imported, "x", 1.3),
            Figure(
                f"memory that {_MEMORY_CALLS} executions add after the first tenth",
                _run(program, "memory", neff, _MEMORY_CALLS) / 1024, "KiB", 256.0,
            ),
        ]  # fmt: skip
        report("libnrt", figures)


if __name__ == "__main__":
    main()
