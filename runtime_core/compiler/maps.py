"""Replace outputs that are maps, which scikit-learn's converter creates, because a NEFF supports only tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto

_FLOAT = 1


def replace_maps(model: ModelProto) -> list[str]:
    """Replace outputs of ZipMap by its input tensors, in place.

    Returns:
        A note for each such output.
    """
    outputs = {value.name: value for value in model.graph.output}
    notes = []
    for node in model.graph.node:
        if node.op_type != "ZipMap" or node.domain != "ai.onnx.ml" or node.output[0] not in outputs:
            continue
        value = outputs[node.output[0]]
        value.type.Clear()
        value.type.tensor_type.elem_type = _FLOAT
        labels = [a for a in node.attribute if a.name.startswith("classlabels")]
        order = ", ".join(
            text.decode(errors="replace") if isinstance(text, bytes) else str(text)
            for a in labels
            for text in (*a.strings, *a.ints)
        )
        notes.append(f"output {value.name!r} is a map in the model, here a tensor: a column per class ({order})")
        node.op_type, node.domain = "Identity", ""
        del node.attribute[:]
    return notes
