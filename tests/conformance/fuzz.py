"""Random graphs against ONNX Runtime: ``python -m tests.conformance.fuzz --minutes N``.

Each batch runs in a separate process, so that crashes and hangs are found too. A graph that the compiler refuses and
ONNX Runtime runs is also a failure. Failing graphs are shrunk and written to ``tests/conformance/found``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from hypothesis import HealthCheck, Phase, given, seed, settings

from runtime_core.compiler.onnx_backend import NeuronBackend
from runtime_core.errors import NeuronError
from tests.conformance.random_graphs import Graph, graphs

FOUND = Path(__file__).parent / "found"
_BATCH = 150
_BATCH_S = 1200
"""More than 100 times the duration of a batch, so that a busy machine is not reported as a hang."""
_OPTIONS = onnxruntime.SessionOptions()
_OPTIONS.log_severity_level = 4
_OPTIONS.intra_op_num_threads = 1


def expected(graph: Graph) -> list[np.ndarray] | None:
    """ONNX Runtime's results; ``None`` if it refuses the model."""
    try:
        session = onnxruntime.InferenceSession(
            graph.model.SerializeToString(), _OPTIONS, providers=["CPUExecutionProvider"]
        )
        return list(session.run(None, graph.feeds))
    except Exception:
        return None


def check(graph: Graph) -> str:
    """Compile, run and compare; returns "same", "refused" (by the compiler) or "no oracle".

    Raises:
        AssertionError: the results differ, or a model that compiles does not run.
    """
    want = expected(graph)
    if want is None:
        return "no oracle"
    own = onnx.ModelProto()
    own.CopyFrom(graph.model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            rep = NeuronBackend.prepare(own)
        except NeuronError as error:
            return f"refused: {error}"
        got = rep.run([graph.feeds[i.name] for i in own.graph.input])
    for value, a, b in zip(own.graph.output, got, want, strict=True):
        close(value.name, a, b)
    return "same"


def close(name: str, got: np.ndarray, want: np.ndarray) -> None:
    """Compare with a tolerance relative to the largest value, because sums can cancel."""
    assert (got.dtype, got.shape) == (want.dtype, want.shape), (
        f"{name}: {got.dtype}{got.shape}, {want.dtype}{want.shape}"
    )
    if want.dtype.kind != "f":
        assert np.array_equal(got, want), f"{name}: {got} instead of {want}"
        return
    with np.errstate(all="ignore"):
        a, b = got.astype(np.float64), want.astype(np.float64)
        finite = b[np.isfinite(b)]
        largest = float(np.max(np.abs(finite), initial=0.0))
        relative = 3e-2 if want.dtype == np.float16 else 1e-3
        same = np.allclose(a, b, rtol=relative, atol=relative * 0.1 * largest + 1e-5, equal_nan=True)
    assert same, f"{name}: {got} instead of {want}"


def batch(number: int, examples: int) -> dict[str, object]:
    """Run one batch; returns figures and failures."""
    counts: Counter[str] = Counter()
    operators: Counter[str] = Counter()
    last: list[Graph] = []

    @seed(number)
    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False, phases=(Phase.generate, Phase.shrink),
    )  # fmt: skip
    @given(graphs())
    def run(graph: Graph) -> None:
        last[:] = [graph]
        outcome = check(graph)
        counts[outcome.partition(":")[0]] += 1
        operators.update(graph.operators)
        assert not outcome.startswith("refused"), outcome

    problem = ""
    try:
        run()
    except BaseException as error:
        problem = f"{type(error).__name__}: {error}"[:600]
        FOUND.mkdir(exist_ok=True)
        target = FOUND / f"seed{number}"
        target.with_suffix(".onnx").write_bytes(last[0].model.SerializeToString())
        np.savez(target.with_suffix(".npz"), **{f"in_{n}": v for n, v in last[0].feeds.items()})
    return {"counts": counts, "operators": operators, "problem": problem}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--batch", type=int, help="run this seed alone, in this process")
    options = parser.parse_args()
    if options.batch is not None:
        print(json.dumps(batch(options.batch, _BATCH)))
        return 0
    end = time.monotonic() + 60 * options.minutes
    counts: Counter[str] = Counter()
    operators: Counter[str] = Counter()
    problems = []
    number = options.first_seed
    while time.monotonic() < end:
        command = [sys.executable, "-m", "tests.conformance.fuzz", "--batch", str(number)]
        known = len(problems)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_BATCH_S, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            counts.update(found["counts"])
            operators.update(found["operators"])
            if found["problem"]:
                problems.append(f"seed {number}: {found['problem']}")
        except subprocess.TimeoutExpired:
            problems.append(f"seed {number}: hangs")
        except subprocess.CalledProcessError as error:
            problems.append(f"seed {number}: crashes ({error.returncode}) {error.stderr[-300:]}")
        for problem in problems[known:]:
            print(problem, flush=True)
        number += 1
    print(f"{number - options.first_seed} batches, {sum(counts.values())} graphs: {dict(counts)}")
    print(f"{len(operators)} operators: {dict(operators.most_common())}")
    print(f"{len(problems)} findings")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
