"""Models to files, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from onnx import ModelProto

from runtime_core.errors import UsageError


def save_model(model: ModelProto, target: Path) -> int:
    """Write ``model`` to ``target``; returns the file's size in bytes.

    Raises:
        UsageError: the folder is not there.
    """
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent} is no directory: choose another --output")
    data = model.SerializeToString(deterministic=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return len(data)
