"""Operators on inputs of shapes that do not fit: what cannot run is refused when compiling, by one kind of error.

Each variant of the sweep is changed in the shape of one input, and ONNX Runtime decides whether it still runs.
``python -m tests.conformance.misshaped [OPERATOR...]`` prints a line for each outcome that is neither right nor a
refusal.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnxruntime
from onnx import helper

from runtime_core.compiler.onnx_backend import NeuronBackend
from runtime_core.errors import NeuronError
from tests.conformance.sweep import Case, Outcome, difference, expected, model_of
from tests.conformance.variants import GENERATORS, types_of, variants, versions

ACCEPTED = {
    "Attention": "masks and values that broadcast",
    "ConstantOfShape": "a shape of several dimensions, or of none, is read as a list",
    "Conv": "windows that fit nowhere make an output without elements",
    "ConvTranspose": "the stated output may be larger than the input makes it: the rest is 0",
    "GlobalAveragePool": "of 2 dimensions",
    "GlobalMaxPool": "of 2 dimensions",
    "InstanceNormalization": "of 2 dimensions",
    "LRN": "of other than 4 dimensions",
    "MatMulInteger": "zero points by columns for several matrices",
    "Resize": "of the batch or the channels too",
}
"""What is computed here, and ONNX Runtime has no kernel for."""
BY_VALUE = "Reshape at run time"
"""What fails by its values, and neither zeros nor ones would run."""
_OPTIONS = onnxruntime.SessionOptions()
_OPTIONS.log_severity_level = 4
_OPTIONS.intra_op_num_threads = 1
_OPTIONS.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL


def misshaped(case: Case) -> Iterator[Case]:
    """The case with one input longer or shorter along a dimension, or with a dimension more or less.

    No input becomes empty: ONNX Runtime ends the process on some of those.
    """
    variant = case.variant
    for index, value in enumerate(variant.inputs):
        if value is None or value.dtype.kind not in "biuf":
            continue
        for shape in dict.fromkeys(_other_shapes(value.shape)):
            changed = [*variant.inputs[:index], np.resize(value, shape), *variant.inputs[index + 1 :]]
            label = f"{variant.label} with input {index} as {list(shape)}"
            yield case._replace(variant=variant._replace(label=label, inputs=changed))


def _other_shapes(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for axis, extent in enumerate(shape):
        yield (*shape[:axis], extent + 1, *shape[axis + 1 :])
        if extent > 1:
            yield (*shape[:axis], 1, *shape[axis + 1 :])
    yield (2, *shape)
    yield (*shape, 2)
    if shape:
        yield shape[1:]
        yield shape[:-1]


def of_operator(operator: str) -> Iterator[Case]:
    """Cases of the newest and the oldest version that fit, in one type."""
    for version in {versions(operator)[0], versions(operator)[-1]}:
        types = types_of(operator, version)
        dtype = "float32" if "float32" in types else types[0]
        yield from (Case(operator, version, dtype, variant) for variant in variants(operator, version, dtype))


def outcomes(case: Case) -> Iterator[Outcome]:
    """What comes of a case that fits when an input gets another shape."""
    like = expected(case)
    for changed in misshaped(case) if like is not None else ():
        yield outcome(changed, like)


def outcome(case: Case, like: list[Any]) -> Outcome:
    """One of ``right``, ``wrong``, ``refused``; ``failed`` when compiling or at run; ``accepted``: only here.

    Args:
        case: with the other shape.
        like: outputs of the case as it was, for their types.
    """
    variant = case.variant
    model = model_of(case, variant.fixed, None)
    for output, value in zip(model.graph.output, like, strict=True):
        output.type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(value.dtype)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rep = NeuronBackend.prepare(model)
    except NeuronError as error:
        return Outcome(case.name, "core", "refused", str(error))
    except Exception as error:
        return Outcome(case.name, "core", "failed", f"compiling: {type(error).__name__}: {error}")
    want = _by_onnxruntime(case, None)
    try:
        got = rep.run([a for k, a in enumerate(variant.inputs) if a is not None and k not in variant.fixed])
    except Exception as error:
        # Shapes, lengths and indices as inputs may fail by their values: they do if other values run.
        by_value = want is None and (
            f"{case.operator} {variant.label}".startswith(BY_VALUE)
            or any(_by_onnxruntime(case, fill) is not None for fill in (0, 1))
        )
        return Outcome(case.name, "core", "refused" if by_value else "failed", f"{type(error).__name__}: {error}")
    if want is None:
        return Outcome(case.name, "core", "accepted", str([value.shape for value in got]))
    why = "; ".join(filter(None, map(difference, got, want)))
    return Outcome(case.name, "core", "wrong" if why else "right", why)


def _by_onnxruntime(case: Case, fill: int | None) -> list[Any] | None:
    """ONNX Runtime's results, with integers that are only known at run time as ``fill``; ``None`` if it refuses."""
    feeds = {f"i{k}": a for k, a in enumerate(case.variant.inputs) if a is not None}
    if fill is not None:
        for k, value in enumerate(case.variant.inputs):
            if value is not None and value.dtype.kind in "iu" and k not in case.variant.fixed:
                feeds[f"i{k}"] = np.full_like(value, fill)
    try:
        model = model_of(case, (), None).SerializeToString()
        return list(onnxruntime.InferenceSession(model, _OPTIONS, providers=["CPUExecutionProvider"]).run(None, feeds))
    except Exception:
        return None


def unwanted(found: Outcome) -> bool:
    """Whether an outcome is neither right, nor refused, nor accepted for a reason."""
    operator = found.name.partition("-")[0]
    return found.kind in ("wrong", "failed") or (found.kind == "accepted" and operator not in ACCEPTED)


if __name__ == "__main__":
    every = [o for name in sys.argv[1:] or sorted(GENERATORS) for case in of_operator(name) for o in outcomes(case)]
    print(dict(Counter(o.kind for o in every)))
    for o in filter(unwanted, every):
        print(o.kind, o.name, o.why[:160], sep="\t")
