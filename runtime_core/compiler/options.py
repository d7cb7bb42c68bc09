"""Options of a compilation."""

from __future__ import annotations

import enum
from typing import NamedTuple

from runtime_core.neff.graph import DType


class Fp32Cast(enum.StrEnum):
    """FP32 values that the compiler narrows to 16 bits (accumulation stays in FP32).

    ``ALL``: weights and matrix inputs; ``MATMULT``: inputs of matrix products and convolutions only; ``NONE``: nothing.
    """

    ALL = "all"
    MATMULT = "matmult"
    NONE = "none"


class CastType(enum.StrEnum):
    """The 16-bit float to which FP32 is narrowed."""

    BF16 = "bf16"
    FP16 = "fp16"

    @property
    def dtype(self) -> DType:
        """The element type in a NEFF."""
        return DType.BFLOAT16 if self is CastType.BF16 else DType.FLOAT16


class CompileOptions(NamedTuple):
    """Options of :func:`runtime_core.compiler.compile_model`.

    Attributes:
        pipeline_cores: number of NeuronCores for the model.
        batch: samples per execution; ``None``: the model's batch, or 1 if that is open.
        fp32_cast: see :class:`Fp32Cast`.
        cast_type: see :class:`CastType`.
        fast_math: also narrow values between instructions, for less memory and traffic but more rounding.
        dynamic_batch: the runtime accepts any number of samples, in executions of ``batch`` each.
    """

    pipeline_cores: int = 1
    batch: int | None = None
    fp32_cast: Fp32Cast = Fp32Cast.ALL
    cast_type: CastType = CastType.BF16
    fast_math: bool = False
    dynamic_batch: bool = False

    @property
    def precision(self) -> Precision:
        """The options that decide how numbers are stored."""
        return Precision(self.fp32_cast, self.cast_type.dtype, self.fast_math)


class Precision(NamedTuple):
    """How FP32 numbers are stored: which are narrowed, to which type, and whether intermediate values are too."""

    cast: Fp32Cast
    narrow: DType
    fast_math: bool
