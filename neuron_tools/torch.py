"""Convert PyTorch modules to NEFF files, through ONNX. Requires the extra ``torch``.

=================  ===========================================================================
:func:`trace`      returns a NEFF for a module and example inputs
:func:`load_pt2`   returns the ONNX model of a program written by ``torch.export.save``
=================  ===========================================================================

Example::

    import neuron_tools.torch as neuron_torch
    from runtime_core.neff.writer import save_neff

    save_neff(neuron_torch.trace(module.eval(), [torch.zeros(1, 3, 224, 224)]), "module.neff")
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from neuron_console.extras import requires
from runtime_core.compiler import CompileOptions
from runtime_core.compiler import compile as compile_model
from runtime_core.compiler.messages import one_line
from runtime_core.errors import ModelFileError
from runtime_core.neff.model import Neff

__all__ = ["load_pt2", "trace"]

if TYPE_CHECKING:
    import torch
    from onnx import ModelProto


def trace(
    module: torch.nn.Module, example_inputs: Sequence[torch.Tensor], options: CompileOptions | None = None
) -> Neff:
    """Compile a module for inference on inputs with the shapes and types of ``example_inputs``.

    Args:
        module: the module, in evaluation mode.
        example_inputs: the positional arguments of its ``forward``; their values are not used.
        options: see :class:`CompileOptions`; ``batch`` must be that of the example, because tracing fixes it.

    Raises:
        ModelFileError: the module cannot be exported or compiled.
        MissingExtraError: torch is not installed.
    """
    _require_torch()
    return compile_model(_exported(module, tuple(example_inputs), type(module).__name__), options)


def load_pt2(path: Path) -> ModelProto:
    """Return the ONNX model of a program written by ``torch.export.save``.

    Torch reads parts of such a file with its unpickler: only open files from people you trust.

    Raises:
        ModelFileError: the file cannot be read or exported.
        MissingExtraError: torch is not installed.
    """
    _require_torch()
    import torch

    if not path.is_file():
        raise ModelFileError("model file not found", where=str(path))
    try:
        with _quiet():
            program = torch.export.load(path)
    except Exception as error:
        # Torch's readers raise any exception, depending on the archive.
        raise ModelFileError(
            f"not an exported program ({_reason(error)})", where=str(path), mend="write it with torch.export.save"
        ) from None
    return _exported(program, (), str(path))


def _require_torch() -> None:
    with requires("torch"):
        import onnxscript  # noqa: F401 - torch's exporter needs it
        import torch  # noqa: F401


def _exported(
    program: torch.nn.Module | torch.export.ExportedProgram, inputs: tuple[torch.Tensor, ...], where: str
) -> ModelProto:
    import torch

    try:
        with _quiet():
            exported = torch.onnx.export(program, inputs, dynamo=True, verbose=False)
    except Exception as error:
        # Exporting runs the module's own code, which may raise any exception.
        raise ModelFileError(f"cannot export it to ONNX: {_reason(error)}", where=where) from None
    if exported is None:
        raise ModelFileError("cannot export it to ONNX: torch's exporter returned nothing", where=where)
    model: ModelProto = exported.model_proto
    return model


def _reason(error: Exception) -> str:
    """Return the root cause in torch's chain of exceptions."""
    while error.__cause__ is not None and isinstance(error.__cause__, Exception):
        error = error.__cause__
    return one_line(error)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the output of torch's exporter about its own libraries."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
