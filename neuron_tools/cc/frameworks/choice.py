"""Detect the framework of a model, and read the model."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING

from runtime_core.errors import UsageError

if TYPE_CHECKING:
    from onnx import ModelProto


class Framework(enum.StrEnum):
    """Values of ``--framework``."""

    ONNX = "ONNX"
    PYTORCH = "PYTORCH"
    TENSORFLOW = "TENSORFLOW"
    MXNET = "MXNET"


_SUFFIXES = {
    ".pt2": Framework.PYTORCH,
    ".pt": Framework.PYTORCH,
    ".pth": Framework.PYTORCH,
    ".pb": Framework.TENSORFLOW,
    ".h5": Framework.TENSORFLOW,
    ".keras": Framework.TENSORFLOW,
    ".tflite": Framework.TENSORFLOW,
    ".params": Framework.MXNET,
}
_EXPORTS = {
    Framework.TENSORFLOW: "pip install tf2onnx, then python -m tf2onnx.convert --saved-model DIR --output model.onnx "
    "(--keras FILE or --tflite FILE for those)",
    Framework.MXNET: "mxnet.onnx.export_model('net-symbol.json', 'net-0000.params', [shape], 'float32', 'model.onnx')",
}


def framework_of(model: Path) -> Framework:
    """Return the framework, from the name of a file or the content of a directory; default: ONNX."""
    if (model / "saved_model.pb").is_file():
        return Framework.TENSORFLOW
    if model.name.endswith("-symbol.json"):
        return Framework.MXNET
    return _SUFFIXES.get(model.suffix.lower(), Framework.ONNX)


def read_model(model: Path, framework: Framework | None) -> Path | ModelProto:
    """Return the compiler's input for a model.

    Args:
        model: the file.
        framework: the framework; ``None``: detect it from the file.

    Raises:
        UsageError: the model must be exported to ONNX first; the error says how.
        ModelFileError: the PyTorch program cannot be read.
    """
    framework = framework or framework_of(model)
    if framework in _EXPORTS:
        raise UsageError(f"{framework.value} models are compiled from ONNX: {_EXPORTS[framework]}", where=str(model))
    if framework is Framework.PYTORCH:
        if model.suffix.lower() in (".pt", ".pth"):
            raise UsageError(
                "weights or a pickled module contain no graph",
                where=str(model),
                mend=(
                    "write the program with torch.export.save(torch.export.export(module.eval(), "
                    "example_inputs), 'model.pt2')"
                ),
            )
        from neuron_tools.torch import load_pt2

        return load_pt2(model)
    return model
