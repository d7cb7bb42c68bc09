"""External data: allowed locations of the files, and their bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from runtime_core.compiler.bodies import bodies_of, every_node
from runtime_core.errors import ModelFileError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

_CACHE_LINKS, _CACHE_FILES = "snapshots", "blobs"
"""Folders of a repository in a Hugging Face cache: the first holds symbolic links to the second."""


def load_external(model: ModelProto, path: Path) -> None:
    """Read the external tensors of the model at ``path`` into it.

    A file must be in the model's folder, even if it is a symbolic link. In a Hugging Face cache, the links of a
    snapshot may lead to the folder ``blobs`` of the same repository.

    Raises:
        ModelFileError: a file is outside these folders, missing, or too short; names the tensor and the file.
    """
    import onnx

    for tensor in _tensors(model):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        source = _located(tensor, entries.get("location", ""), path)
        try:
            offset, length = int(entries.get("offset", 0)), int(entries.get("length", -1))
        except ValueError:
            raise _problem(tensor, path, "has an offset or a length that is not a number") from None
        tensor.raw_data = _read(tensor, source, offset, length, path)
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]


def _located(tensor: TensorProto, location: str, path: Path) -> Path:
    folder = path.parent.resolve()
    if not location or "\0" in location:
        raise _problem(tensor, path, "names no file")
    link = path.parent / location
    target = link.resolve()
    # Neither the name nor a link may lead out of the folder. An absolute name replaces the folder.
    inside = Path(location).is_absolute() is False and ".." not in Path(location).parts
    if not inside or not (target.is_relative_to(folder) or _is_in_cache(folder, target)):
        raise _problem(
            tensor, path, f"lies in {location!r}, outside the model's folder", "copy the file into the model's folder"
        )
    if not target.is_file():
        raise _problem(tensor, path, f"lies in {location!r}, which does not exist", "copy the file beside the model")
    return target


def _is_in_cache(folder: Path, target: Path) -> bool:
    """Return whether ``folder`` is in a snapshot and ``target`` is a blob of the same repository."""
    for parent in (folder, *folder.parents):
        if parent.name == _CACHE_LINKS and folder != parent:
            return target.parent == parent.parent / _CACHE_FILES
    return False


def _read(tensor: TensorProto, source: Path, offset: int, length: int, path: Path) -> bytes:
    size = source.stat().st_size
    if offset < 0 or length < -1 or offset > size or (length >= 0 and offset + length > size):
        raise _problem(
            tensor, path, f"needs bytes {offset} to {offset + max(0, length)} of {source.name!r}, which has {size}",
            "copy the whole file beside the model",
        )  # fmt: skip
    with source.open("rb") as file:
        file.seek(offset)
        return file.read(length if length >= 0 else size - offset)


def _problem(tensor: TensorProto, path: Path, what: str, mend: str = "export the model again") -> ModelFileError:
    return ModelFileError(f"the external data of constant {tensor.name!r} {what}", where=str(path), mend=mend)


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    yield from model.graph.initializer
    for node in every_node((*model.graph.node, *(n for f in model.functions for n in f.node))):
        yield from _of_node(node)
        for body in bodies_of(node):
            yield from body.initializer


def _of_node(node: NodeProto) -> Iterator[TensorProto]:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
