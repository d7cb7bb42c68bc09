"""Check a model's declarations against the onnx package: operator sets, operators, shapes of inputs and outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime_core.compiler.bodies import every_node
from runtime_core.errors import ModelFileError

if TYPE_CHECKING:
    from onnx import ModelProto

DEFAULT_DOMAINS = ("", "ai.onnx")


def name_default_domain(model: ModelProto) -> None:
    """Replace "ai.onnx", another name of the default domain, by "" everywhere, in place."""
    for imports in (model.opset_import, *(f.opset_import for f in model.functions)):
        versions: dict[str, int] = {}
        for entry in imports:
            versions.setdefault("" if entry.domain == "ai.onnx" else entry.domain, entry.version)
        if len(versions) != len(imports) or any(o.domain == "ai.onnx" for o in imports):
            del imports[:]
            for domain, version in versions.items():
                imports.add(domain=domain, version=version)
    for node in every_node((*model.graph.node, *(n for f in model.functions for n in f.node))):
        if node.domain == "ai.onnx":
            node.domain = ""


def default_opset(model: ModelProto) -> int:
    """Return the version of the default operator set; the newest if the model does not declare it."""
    import onnx

    versions = (o.version for o in model.opset_import if o.domain in DEFAULT_DOMAINS)
    return max(versions, default=onnx.defs.onnx_opset_version())


def check_operator_set(model: ModelProto, where: str) -> None:
    """Refuse an operator set that is newer than the onnx package, because its operators are unknown.

    Raises:
        ModelFileError: names both versions.
    """
    import onnx

    opset, newest = default_opset(model), onnx.defs.onnx_opset_version()
    if opset > newest:
        raise ModelFileError(
            (f"{where} uses operator set {opset}, and the installed onnx package supports up to {newest}"),
            mend="upgrade it, or export the model with an older one",
        )


def check_operators(model: ModelProto, where: str) -> None:
    """Refuse operators of the default domain that the model's operator set does not have.

    Raises:
        ModelFileError: names the first one, its node, and the operator set.
    """
    import onnx

    opset = default_opset(model)
    own = {(f.domain, f.name) for f in model.functions}
    for node in every_node(model.graph.node) if opset > 0 else ():
        name = node.op_type
        if isinstance(name, bytes):
            # The text is not UTF-8: protobuf's C decoder accepts it, and the checker reports it.
            continue
        if node.domain not in DEFAULT_DOMAINS or (node.domain, name) in own or onnx.defs.has(name, opset):
            continue
        mend = "replace it in the model"
        if onnx.defs.has(name):
            mend = f"export the model with operator set {onnx.defs.get_schema(name).since_version}"
        raise ModelFileError(
            f"nothing can run operator {name} (domain 'ai.onnx', operator set {opset}) of node "
            f"{node.name or next(iter(node.output), '')!r}",
            where=where,
            mend=mend,
        )


def open_shapes(model: ModelProto, where: str) -> None:
    """Add an empty shape to outputs without one: some exporters omit it, but the checker requires it.

    Raises:
        ModelFileError: names an input without a shape, from which no shape can be inferred.
    """
    constants = {t.name for t in model.graph.initializer}
    for value in model.graph.input:
        tensor = value.type.tensor_type
        if value.name not in constants and value.type.HasField("tensor_type") and not tensor.HasField("shape"):
            raise ModelFileError(
                f"input {value.name!r} has no shape", where=where, mend="export the model with fixed shapes"
            )
    for value in model.graph.output:
        tensor = value.type.tensor_type
        if value.type.HasField("tensor_type") and not tensor.HasField("shape"):
            tensor.shape.dim.add()
