"""ONNX to NEFF: import, lower, fuse, partition, place on cores, emit. Needs the extra ``compiler``."""

from typing import TYPE_CHECKING

from runtime_core.compiler.options import CastType, CompileOptions, Fp32Cast

if TYPE_CHECKING:
    from runtime_core.compiler.compile import Compiled, OnStage, compile_model, compile_with_report

__all__ = ["CastType", "CompileOptions", "Compiled", "Fp32Cast", "OnStage", "compile_model", "compile_with_report"]


def __getattr__(name: str) -> object:
    """The compiler itself loads NumPy, which commands that only know its options don't pay for."""
    if name in __all__:
        from runtime_core.compiler import compile as stations

        return getattr(stations, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
