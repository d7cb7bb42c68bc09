"""What a compilation can be told."""

from __future__ import annotations

import enum
from typing import NamedTuple


class Fp32Cast(enum.StrEnum):
    """Which FP32 values the compiler narrows to bfloat16 (accumulation stays FP32).

    ``ALL``: weights and matrix inputs; ``MATMULT``: inputs of matrix products and convolutions only; ``NONE``: nothing.
    """

    ALL = "all"
    MATMULT = "matmult"
    NONE = "none"


class CompileOptions(NamedTuple):
    """Options of :func:`runtime_core.compiler.compile_model`.

    Attributes:
        pipeline_cores: NeuronCores to spread the model over.
        batch: samples an execution; ``None`` takes the model's own, 1 where it leaves it open.
        fp32_cast: see :class:`Fp32Cast`.
    """

    pipeline_cores: int = 1
    batch: int | None = None
    fp32_cast: Fp32Cast = Fp32Cast.ALL
