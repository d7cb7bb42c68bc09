"""The library, built once per run; C programs compiled against it; a small NEFF."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from runtime_core.libnrt.build import BuildError, build
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.neff.writer import encode_neff

PROGRAMS = Path(__file__).parent / "programs"
WARNINGS = ("-Wall", "-Wextra", "-Werror")


@pytest.fixture(scope="session")
def prefix(tmp_path_factory, worker_id):
    """Where the library and its headers are installed."""
    if shutil.which("gcc") is None or shutil.which("g++") is None:
        pytest.skip("no C and C++ compiler: apt-get install g++")
    shared = tmp_path_factory.getbasetemp() if worker_id == "master" else tmp_path_factory.getbasetemp().parent
    target = shared / "libnrt-prefix"
    with open(shared / "libnrt.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (target / "lib/libnrt.so").exists():
            try:
                build(target)
            except BuildError as error:
                pytest.skip(str(error))
    return target


@pytest.fixture(scope="session")
def compiled(prefix, tmp_path_factory):
    """``compiled("life.c")``: the program, which finds the library by its rpath."""
    folder = tmp_path_factory.mktemp("programs")
    made = {}

    def compile_(name, *options, compiler="gcc", rpath=True):
        key = (name, options, compiler, rpath)
        if key not in made:
            source = PROGRAMS / name if "/" not in str(name) else Path(name)
            target = folder / f"{source.stem}-{len(made)}"
            library = prefix / "lib"
            found_by = [f"-Wl,-rpath,{library}"] if rpath else []
            command = [
                compiler,
                *options,
                *WARNINGS,
                "-g",
                f"-I{prefix}/include",
                f"-I{PROGRAMS}",
                source,
                "-o",
                target,
            ]
            command += [f"-L{library}", "-lnrt", "-lm", "-pthread", *found_by]
            subprocess.run([str(part) for part in command], check=True)
            made[key] = target
        return made[key]

    return compile_


@pytest.fixture
def run():
    """Run a program, which must not print a traceback; its output is in the message of a failure."""

    def run_(*command, cwd=None, env=None, expect=0, timeout=60, **variables):
        environment = {**(os.environ if env is None else env), **variables}
        done = subprocess.run(
            [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout
        )
        assert done.returncode == expect, f"{done.returncode}\n{done.stdout}\n{done.stderr[-3000:]}"
        assert "Traceback" not in done.stderr
        return done

    return run_


WEIGHT = np.arange(12, dtype=np.float32).reshape(3, 4)


def product_neff(weight, rows=2):
    """y = x @ w in float32, with a given number of rows of x."""
    inner, outer = weight.shape
    shapes = {"x": (rows, inner), "t": (rows, inner), "y": (rows, outer)}
    x, t, y = (TensorSpec(name, DType.FLOAT32, shape) for name, shape in shapes.items())
    copy = Node("a", NodeKind.NEURON, (x,), (t,), 0, (Instruction(EngineKind.DMA, "copy", ("x",), ("t",)),))
    parameter = Parameter(TensorSpec("w", DType.FLOAT32, weight.shape), 0)
    product = Node("b", NodeKind.NEURON, (t,), (y,), 0,
                   (Instruction(EngineKind.PE, "matmul", ("t", "w"), ("y",), {}, 0),),
                   (parameter,), (), weight.nbytes)  # fmt: skip
    return encode_neff(Neff(Graph("tiny", (x,), (y,), (copy, product), core_count=1), {"b": weight.tobytes()}))


@pytest.fixture
def doubling_neff():
    """y = 2 x, float32[2,2]."""
    return product_neff(np.eye(2, dtype=np.float32) * 2)


@pytest.fixture
def neff_file(tmp_path):
    """y = x @ w, x float32[2,3], y float32[2,4]."""
    path = tmp_path / "tiny.neff"
    path.write_bytes(product_neff(WEIGHT))
    return path
