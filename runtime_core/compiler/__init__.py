"""ONNX to NEFF: import, lower, fuse, partition, place on cores, emit. Needs the extra ``compiler``."""

from runtime_core.compiler.compile import compile_model
from runtime_core.compiler.options import CastType, CompileOptions, Fp32Cast

__all__ = ["CastType", "CompileOptions", "Fp32Cast", "compile_model"]
