"""Write models to files, atomically."""

from __future__ import annotations

from pathlib import Path

from onnx import ModelProto

from runtime_core.errors import UsageError
from runtime_core.files import write_atomically


def save_model(model: ModelProto, target: Path) -> int:
    """Write ``model`` to ``target``; return the size of the file in bytes.

    Raises:
        UsageError: the directory does not exist.
    """
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent} is not a directory", mend="choose another --output")
    data = model.SerializeToString(deterministic=True)
    write_atomically(target, data, mode=None)
    return len(data)
