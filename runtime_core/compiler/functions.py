"""Inline model-local functions.

The onnx package's inliner loses the defaults of a function's attributes, so it cannot be used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from runtime_core.compiler.bodies import bodies_of, every_node
from runtime_core.errors import ModelFileError

if TYPE_CHECKING:
    from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto

_MOST_NODES = 1_000_000
_MOST_LEVELS = 200
_Key: TypeAlias = tuple[str, str, str]


def inline_functions(model: ModelProto, where: str) -> None:
    """Replace every call of a function by the function's nodes, in place.

    If a function needs another version of an operator than the model imports, its calls are not replaced, because the
    model's operator set would change the meaning of its nodes. The model keeps such functions.

    Raises:
        ModelFileError: a function calls itself, the functions expand to too many nodes, or their calls are too deep.
    """
    if not model.functions:
        return
    inliner = _Inliner(model, where)
    # Count first, because a small file can expand to so many operators that it takes minutes.
    if inliner.size(model.graph.node, ()) > _MOST_NODES:
        raise ModelFileError(f"its functions expand to more than {_MOST_NODES} operators", where=where)
    nodes = inliner.expanded(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    kept = inliner.needed(nodes)
    del model.functions[:]
    model.functions.extend(kept)


def state_defaults(nodes: Iterable[NodeProto], opset: int) -> None:
    """Write out the default attributes of operators that ONNX defines as functions, and of STFT, in place.

    The onnx package's inference and inliner lose the defaults of those functions as well.
    """
    from onnx import defs

    for node in every_node(nodes):
        if node.domain or not isinstance(node.op_type, str) or not defs.has(node.op_type, opset):
            continue
        schema = defs.get_schema(node.op_type, opset)
        # Older onnx packages do not provide this.
        if node.op_type == "STFT" or any(
            getattr(schema, kind, False) for kind in ("has_function", "has_context_dependent_function")
        ):
            given = {a.name for a in node.attribute}
            node.attribute.extend(
                a.default_value for name, a in schema.attributes.items() if name not in given and a.default_value.name
            )


class _Inliner:
    def __init__(self, model: ModelProto, where: str) -> None:
        self._model = model
        self._where = where
        self._functions: dict[_Key, FunctionProto] = {_key_of_function(f): f for f in model.functions}
        self._versions = {o.domain: o.version for o in model.opset_import}
        self._inlinable: dict[_Key, bool] = {}
        self._sizes: dict[_Key, int] = {}
        self._calls = 0

    def size(self, nodes: Iterable[NodeProto], stack: tuple[_Key, ...]) -> int:
        """Return the number of operators that the nodes expand to; ``stack``: the functions that contain them."""
        count = 0
        for node in every_node(nodes):
            key = _key_of_node(node)
            function = self._functions.get(key)
            if function is None or not self._is_inlinable(key, function):
                count += 1
                continue
            if key in stack:
                raise ModelFileError(f"function {key[1]!r} of domain {key[0]!r} calls itself", where=self._where)
            if len(stack) == _MOST_LEVELS:
                raise ModelFileError(f"its functions call each other more than {_MOST_LEVELS} deep", where=self._where)
            if key not in self._sizes:
                self._sizes[key] = self.size(function.node, (*stack, key))
            count += self._sizes[key]
        return count

    def expanded(self, nodes: Iterable[NodeProto]) -> list[NodeProto]:
        """Return the nodes with calls replaced by the functions' nodes, also in bodies."""
        found: list[NodeProto] = []
        for node in nodes:
            for body in bodies_of(node):
                inner = self.expanded(body.node)
                del body.node[:]
                body.node.extend(inner)
            key = _key_of_node(node)
            function = self._functions.get(key)
            if function is None or not self._is_inlinable(key, function):
                found.append(node)
                continue
            self._calls += 1
            found += self.expanded(instance(function, node, f"{function.name}.{self._calls}"))
        return found

    def needed(self, nodes: Iterable[NodeProto]) -> list[FunctionProto]:
        """Return the functions that are still called, and those that they call."""
        kept: dict[_Key, FunctionProto] = {}
        waiting = list(every_node(nodes))
        while waiting:
            key = _key_of_node(waiting.pop())
            function = self._functions.get(key)
            if function is not None and key not in kept:
                kept[key] = function
                waiting += every_node(function.node)
        return list(kept.values())

    def _is_inlinable(self, key: _Key, function: FunctionProto) -> bool:
        if key not in self._inlinable:
            self._inlinable[key] = self._fits(function)
        return self._inlinable[key]

    def _fits(self, function: FunctionProto) -> bool:
        """Return whether the function's operators have the same meaning in the model's operator sets."""
        own = {o.domain: o.version for o in function.opset_import}
        for node in every_node(function.node):
            if _key_of_node(node) in self._functions:
                continue
            version, models = own.get(node.domain, 0), self._versions.get(node.domain)
            if models is None:
                self._model.opset_import.add(domain=node.domain, version=version)
                self._versions[node.domain] = version
            elif version != models and not means_the_same(node, version, models):
                return False
        return True


def instance(function: FunctionProto, call: NodeProto, tag: str) -> list[NodeProto]:
    """Return the function's nodes for one call, with names that start with ``tag``."""
    from onnx import helper

    given = {a.name: a for a in function.attribute_proto}
    given.update((a.name, a) for a in call.attribute)
    names = {"": ""}
    names.update(zip(function.input, (*call.input, *[""] * len(function.input)), strict=False))
    results = dict(zip(function.output, call.output, strict=False))
    made = {name for node in function.node for name in node.output}
    names.update((name, results.get(name) or f"{tag}/{name}") for name in made if name)
    nodes = []
    for source in function.node:
        node = type(source)()
        node.CopyFrom(source)
        node.name = f"{tag}/{source.name}" if source.name else ""
        _rename(node, names, given, tag)
        nodes.append(node)
    # An output may be an unchanged input.
    nodes += [
        helper.make_node("Identity", [names[name]], [target])
        for name, target in results.items()
        if name not in made and target and names.get(name)
    ]
    return nodes


def means_the_same(node: NodeProto, version: int, other: int) -> bool:
    """Return whether two operator set versions of a node's domain have the same version of its operator."""
    from onnx import defs

    if not all(defs.has(node.op_type, v, node.domain) for v in (version, other)):
        return False
    since = {defs.get_schema(node.op_type, v, node.domain).since_version for v in (version, other)}
    return len(since) == 1


def _key_of_function(function: FunctionProto) -> _Key:
    return function.domain, function.name, getattr(function, "overload", "")


def _key_of_node(node: NodeProto) -> _Key:
    return node.domain, node.op_type, getattr(node, "overload", "")


def _rename(node: NodeProto, names: Mapping[str, str], given: Mapping[str, AttributeProto], tag: str) -> None:
    """Replace the names and attributes in a node of a function, and in its bodies, by those of the call."""
    node.input[:] = [names.get(n, n) for n in node.input]
    node.output[:] = [names.get(n, n) for n in node.output]
    attributes = []
    for attribute in node.attribute:
        if not attribute.ref_attr_name:
            attributes.append(attribute)
        elif attribute.ref_attr_name in given:
            value = type(attribute)()
            value.CopyFrom(given[attribute.ref_attr_name])
            value.name = attribute.name
            attributes.append(value)
        # Otherwise the caller omits it, and the operator's default applies.
    kept = [type(a).FromString(a.SerializeToString()) for a in attributes]
    del node.attribute[:]
    node.attribute.extend(kept)
    for body in bodies_of(node):
        _rename_body(body, names, given, tag)


def _rename_body(body: GraphProto, names: Mapping[str, str], given: Mapping[str, AttributeProto], tag: str) -> None:
    own = [v.name for v in body.input] + [t.name for t in body.initializer]
    own += [s.values.name for s in body.sparse_initializer]
    own += [name for node in body.node for name in node.output if name]
    inner = {**names, **{name: f"{tag}/{name}" for name in own}}
    for value in (*body.input, *body.output, *body.value_info):
        value.name = inner.get(value.name, value.name)
    for tensor in body.initializer:
        tensor.name = inner[tensor.name]
    for sparse in body.sparse_initializer:
        sparse.values.name = inner[sparse.values.name]
    for node in body.node:
        _rename(node, inner, given, tag)
