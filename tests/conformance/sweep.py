"""The sweep: every variant of every operator, in every operator set and type, at every place where it may run.

ONNX Runtime defines the expected results. If it has no kernel, the reference evaluator does, for the versions for which
it is verified. ``python -m tests.conformance.sweep [OPERATOR...]`` prints the table.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from runtime_core.compiler import lower
from runtime_core.compiler.onnx_backend import NeuronBackend
from runtime_core.engine.numerics.reference import runs_in_reference
from runtime_core.errors import NeuronError
from tests.conformance.variants import GENERATORS, Variant, types_of, variants, versions

PLACES = ("core", "cpu", "folded")
DIFFERS = Path(__file__).parent / "sweep_differs.txt"
_RULES = dict(lower.RULES)
_OPTIONS = onnxruntime.SessionOptions()
_OPTIONS.log_severity_level = 4
_OPTIONS.intra_op_num_threads = 1


class Case(NamedTuple):
    """A variant of an operator in an operator set and a type."""

    operator: str
    version: int
    dtype: str
    variant: Variant

    @property
    def name(self) -> str:
        return f"{self.operator}-{self.version} {self.dtype} {self.variant.label}".strip()


class Outcome(NamedTuple):
    """The outcome of a case at a place: ``right``, ``refused``, ``failed`` (compiled, but no result) or ``wrong``."""

    name: str
    place: str
    kind: str
    why: str = ""


def cases(operators: list[str] | None = None) -> Iterator[Case]:
    """Every case of the operators; default: all operators."""
    for operator in operators or sorted(GENERATORS):
        for version in versions(operator):
            for dtype in types_of(operator, version):
                for variant in variants(operator, version, dtype):
                    yield Case(operator, version, dtype, variant)


def model_of(case: Case, fixed: tuple[int, ...], like: list[Any] | None) -> onnx.ModelProto:
    """The case as a model; inputs that are ``fixed`` are constants, outputs are declared as the arrays ``like``."""
    variant = case.variant
    names = ["" if a is None else f"i{k}" for k, a in enumerate(variant.inputs)]
    outs = [f"o{k}" for k in range(variant.outputs)]
    node = helper.make_node(case.operator, names, outs, **variant.attributes)
    given = [(k, n, a) for k, (n, a) in enumerate(zip(names, variant.inputs, strict=True)) if n]
    inputs = [_info(n, a) for k, n, a in given if k not in fixed]
    constants = [numpy_helper.from_array(a, n) for k, n, a in given if k in fixed]
    outputs = [
        helper.make_value_info(n, onnx.TypeProto()) if like is None else _info(n, like[k]) for k, n in enumerate(outs)
    ]
    graph = helper.make_graph([node], "case", inputs, outputs, constants)
    imports = [helper.make_opsetid("", case.version)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8 if case.version < 21 else 10)


def _info(name: str, value: Any) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)


def expected(case: Case) -> list[Any] | None:
    """The expected results; ``None`` if they are unknown."""
    model = model_of(case, (), None)
    feeds = {f"i{k}": a for k, a in enumerate(case.variant.inputs) if a is not None}
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), _OPTIONS, providers=["CPUExecutionProvider"])
        return session.run(None, feeds)
    except Exception:
        return by_reference(model, feeds) if runs_in_reference(model) else None


def by_reference(model: onnx.ModelProto, feeds: dict[str, Any]) -> list[Any] | None:
    """The reference evaluator's results; ``None`` if it fails."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [np.asarray(v) for v in ReferenceEvaluator(model).run(None, feeds)]
    except Exception:
        return None


def difference(got: Any, want: Any) -> str:
    """The difference between two results, beyond rounding; "" if there is none."""
    got, want = np.asarray(got), np.asarray(want)
    if (got.shape, got.dtype) != (want.shape, want.dtype):
        return f"{got.dtype}{list(got.shape)} instead of {want.dtype}{list(want.shape)}"
    if want.dtype.kind != "f":
        same = np.array_equal(got, want)
    else:
        relative, absolute = (1e-2, 5e-3) if want.dtype == np.float16 else (1e-3, 1e-5)
        same = np.allclose(
            got.astype(np.float64), want.astype(np.float64), rtol=relative, atol=absolute, equal_nan=True
        )
    return "" if same else f"{got.reshape(-1)[:4]} instead of {want.reshape(-1)[:4]}"


def outcomes(case: Case) -> Iterator[Outcome]:
    """The outcomes of a case at each place; none if the expected results are unknown."""
    want = expected(case)
    if want is None:
        return
    for place in PLACES:
        if place == "folded" and not case.variant.inputs:
            continue
        kind, why = _tried(case, place, want)
        yield Outcome(case.name, place, kind, why)


def _tried(case: Case, place: str, want: list[Any]) -> tuple[str, str]:
    inputs = case.variant.inputs
    fixed = {"core": case.variant.fixed, "cpu": (), "folded": tuple(range(len(inputs)))}[place]
    model = model_of(case, fixed, want)
    feeds = [a for k, a in enumerate(inputs) if a is not None and k not in fixed]
    if place == "folded":
        # A model needs something to compute at run time.
        feeds = [np.ones(1, np.float32)]
        model.graph.input.append(_info("x", feeds[0]))
        model.graph.node.append(helper.make_node("Neg", ["x"], ["same"]))
        model.graph.output.append(_info("same", feeds[0]))
    if place == "cpu":
        lower.RULES.clear()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rep = NeuronBackend.prepare(model)
    except NeuronError as error:
        return "refused", str(error)
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}"
    finally:
        lower.RULES.update(_RULES)
    try:
        got = rep.run(feeds)
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}"
    why = "; ".join(filter(None, map(difference, got, want)))
    return ("wrong", why) if why else ("right", "")


def differing() -> dict[str, str]:
    """The list of known differences: start of ``place name`` -> reason."""
    lines = (line for line in DIFFERS.read_text().splitlines() if line and not line.startswith("#"))
    return dict(line.split("\t", 1) for line in lines)


def table(found: list[Outcome], listed: dict[str, str]) -> str:
    """The number of outcomes by place."""
    lines = [f"{'place':8} {'cases':>6} {'right':>6} {'refused':>8} {'failed':>7} {'wrong':>6} {'listed':>7}"]
    for place in PLACES:
        counts: Counter[str] = Counter(
            "listed" if o.kind != "right" and reason_of(o, listed) else o.kind for o in found if o.place == place
        )
        row = (
            f"{counts[k]:>{w}}" for k, w in (("right", 6), ("refused", 8), ("failed", 7), ("wrong", 6), ("listed", 7))
        )
        lines.append(f"{place:8} {sum(counts.values()):>6} {' '.join(row)}")
    return "\n".join(lines)


def reason_of(outcome: Outcome, listed: dict[str, str]) -> str | None:
    """The reason in the list why an outcome may differ."""
    full = f"{outcome.place} {outcome.name}"
    return next((why for start, why in listed.items() if full.startswith(start)), None)


if __name__ == "__main__":
    every = [o for case in cases(sys.argv[1:] or None) for o in outcomes(case)]
    known = differing()
    print(table(every, known))
    for outcome in every:
        if outcome.kind != "right" and not reason_of(outcome, known):
            print(outcome.kind, outcome.place, outcome.name, outcome.why[:160], sep="\t")
