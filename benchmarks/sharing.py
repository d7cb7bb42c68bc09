"""The same model on an increasing number of cores of one process: memory, and the time of further loads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import compare, exponent

_CORES = (1, 2, 4, 8, 16)
_WEIGHTS_BYTES = 64 << 20
_RUN = """
import json, os, resource, sys, time
import numpy as np
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.neff.writer import save_neff
from runtime_core.nrt import Runtime
from neuron_tools.sim.load import neff_bytes
from pathlib import Path

cores, size, path = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
x, y = TensorSpec("x", DType.FLOAT32, (1, 64)), TensorSpec("y", DType.FLOAT32, (1, size // 128))
weight = Parameter(TensorSpec("w", DType.BFLOAT16, (64, size // 128)), 0)
step = Instruction(EngineKind.PE, "matmul", ("x", "w"), ("y",))
node = Node("n", NodeKind.NEURON, (x,), (y,), 0, (step,), (weight,), (), size)
if not path.exists():
    values = np.random.default_rng(0).integers(0, 0x3F80, size // 2, np.uint16)
    save_neff(Neff(Graph("m", (x,), (y,), (node,)), {"n": values.tobytes()}), path)
    sys.exit()

def rss():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE")

with Runtime(environment={**os.environ, "NEURON_RT_VISIBLE_CORES": "0-15", "NEURON_RT_LOG_LEVEL": "QUIET"}) as runtime:
    before = rss()
    data = neff_bytes(path)
    seconds = []
    models = []
    for core in range(cores):
        started = time.perf_counter()
        models.append(runtime.load(data, core))
        seconds.append(time.perf_counter() - started)
    del data
    for model in models:
        runtime.infer(model, {"x": np.ones((1, 64), np.float32)})
    print(json.dumps([rss() - before, seconds[0], min(seconds[1:], default=0)]))
"""


def measure() -> dict[str, float]:
    """Memory relative to that of one core's model, and the time of a further load relative to the first."""
    memory: dict[float, float] = {}
    later = 0.0
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NEURON_SIM_ROOT": f"{folder}/node", "NEURON_SIM_INSTANCE_TYPE": "inf1.24xlarge"}
        command = [sys.executable, "-P", "-c", _RUN]
        path = Path(folder) / "m.neff"
        for cores in (0, *_CORES):
            arguments = [str(cores), str(_WEIGHTS_BYTES), str(path)]
            done = subprocess.run([*command, *arguments], check=True, capture_output=True, text=True, env=environment)
            if cores:
                memory[cores], first_s, next_s = json.loads(done.stdout)
                later = next_s / first_s
    figures = {f"memory of {cores} cores / of one": size / memory[1] for cores, size in memory.items()}
    return {**figures, "memory, exponent over cores": exponent(memory), "next load / first load": later}


def main() -> None:
    """Measure with one to sixteen cores."""
    compare(
        "sharing", "sharing", measure(), "x", {"memory of 16 cores / of one": 1.2, "next load / first load": 1 / 20}
    )


if __name__ == "__main__":
    main()
