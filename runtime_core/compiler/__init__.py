"""The compiler: ONNX models to NEFF files. Requires the extra ``compiler``.

===========================  ===========================================================================
:func:`compile`              a NEFF from an ONNX file or model
:func:`compile_with_report`  the same, with a report on what runs where
:func:`read_model`           an ONNX file or model, read once to be compiled many times; see :class:`ReadModel`
:func:`compile_for_timing`   a NEFF without parameters from a :class:`ReadModel`
:class:`CompileOptions`      cores, batch and precision; :class:`Fp32Cast`, :class:`CastType` are its choices
:class:`Compiled`            NEFF and report; :data:`OnStage` is called with the name of each stage
===========================  ===========================================================================

Stages: import, lower, fuse, partition, place on cores, emit.

Example::

    from runtime_core import compiler
    from runtime_core.neff.writer import save_neff

    neff = compiler.compile("resnet50.onnx", compiler.CompileOptions(batch=4))
    save_neff(neff, "resnet50.neff")
"""

from typing import TYPE_CHECKING

from runtime_core.compiler.options import CastType, CompileOptions, Fp32Cast

if TYPE_CHECKING:
    from runtime_core.compiler.build import (
        Compiled,
        OnStage,
        ReadModel,
        compile_for_timing,
        compile_with_report,
        read_model,
    )
    from runtime_core.compiler.build import compile_model as compile

__all__ = [
    "CastType",
    "CompileOptions",
    "Compiled",
    "Fp32Cast",
    "OnStage",
    "ReadModel",
    "compile",
    "compile_for_timing",
    "compile_with_report",
    "read_model",
]


def __getattr__(name: str) -> object:
    """Load the compiler on first use, because it loads NumPy, which commands that only read its options do not need."""
    if name in __all__:
        from runtime_core.compiler import build

        return getattr(build, "compile_model" if name == "compile" else name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
