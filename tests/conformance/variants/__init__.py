"""Variants of operators: attributes, shapes and types that change the meaning of an operator, by operator set.

``variants(operator, version, dtype)`` lists the variants of the operator in that operator set. The name of a case is
the seed of its values.
"""

from __future__ import annotations

import numpy as np
import onnx

from tests.conformance.variants import (  # noqa: F401 (each enters its generators)
    composite,
    elementwise,
    indexing,
    movement,
    normalise,
    products,
    quantised,
    recurrent,
    resample,
    rows,
)
from tests.conformance.variants.generator import FLOATS, GENERATORS, INTEGERS, Of, Variant

__all__ = ["GENERATORS", "Variant", "types_of", "variants", "versions"]


def types_of(operator: str, version: int) -> list[str]:
    """The element types of the operator's first typed input."""
    if operator in ("QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"):
        return ["uint8", "int8"]
    schema = onnx.defs.get_schema(operator, version)
    position = {"Where": 1, "OneHot": 2, "Compress": 0}.get(operator, 0)
    if operator in ("HannWindow", "HammingWindow", "BlackmanWindow", "NonMaxSuppression"):
        return ["float32"]
    if operator == "ConstantOfShape":
        return ["float32", "int64", "bool", "float16"]
    wanted = schema.inputs[position].types
    found = []
    for name in (*FLOATS, *INTEGERS, "bool"):
        onnx_name = {"float32": "float", "float64": "double"}.get(name, name)
        if f"tensor({onnx_name})" in wanted:
            found.append(name)
    return found


def variants(operator: str, version: int, dtype: str) -> list[Variant]:
    """Every variant of an operator in an operator set and a type."""
    seed = [*operator.encode(), version, *dtype.encode()]
    return list(GENERATORS[operator](Of(operator, version, dtype, np.random.default_rng(seed))))


def versions(operator: str, lowest: int = 7) -> list[int]:
    """The operator sets since ``lowest`` that changed the operator, and the version valid at ``lowest``."""
    found = sorted(
        s.since_version for s in onnx.defs.get_all_schemas_with_history() if s.domain == "" and s.name == operator
    )
    early = [v for v in found if v <= lowest]
    late = [v for v in found if v > lowest]
    every = ([lowest] if early else []) + late
    return [v for v in every if not onnx.defs.get_schema(operator, v).deprecated]
