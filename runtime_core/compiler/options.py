"""Options of a compilation."""

from __future__ import annotations

import enum
from typing import NamedTuple

from runtime_core.neff.graph import DType


class Fp32Cast(enum.StrEnum):
    """Which FP32 values the compiler narrows to 16 bits (accumulation stays FP32).

    ``ALL``: weights and matrix inputs; ``MATMULT``: inputs of matrix products and convolutions only; ``NONE``: nothing.
    """

    ALL = "all"
    MATMULT = "matmult"
    NONE = "none"


class CastType(enum.StrEnum):
    """The 16-bit float that FP32 is narrowed to."""

    BF16 = "bf16"
    FP16 = "fp16"

    @property
    def dtype(self) -> DType:
        """The element type by its NEFF name."""
        return DType.BFLOAT16 if self is CastType.BF16 else DType.FLOAT16


class CompileOptions(NamedTuple):
    """Options of :func:`runtime_core.compiler.compile_model`.

    Attributes:
        pipeline_cores: NeuronCores to spread the model over.
        batch: samples an execution; ``None`` takes the model's own, 1 where it leaves it open.
        fp32_cast: see :class:`Fp32Cast`.
        cast_type: see :class:`CastType`.
        fast_math: what passes between instructions is narrowed too: less memory and traffic, more rounding.
        dynamic_batch: the runtime may feed any number of samples, in executions of ``batch`` each.
    """

    pipeline_cores: int = 1
    batch: int | None = None
    fp32_cast: Fp32Cast = Fp32Cast.ALL
    cast_type: CastType = CastType.BF16
    fast_math: bool = False
    dynamic_batch: bool = False

    @property
    def precision(self) -> Precision:
        """The part that decides how numbers are kept."""
        return Precision(self.fp32_cast, self.cast_type.dtype, self.fast_math)


class Precision(NamedTuple):
    """How FP32 numbers are kept: what is narrowed, to which type, and whether values in between are too."""

    cast: Fp32Cast
    narrow: DType
    fast_math: bool
