"""Validation errors of YAML files in plain words: the place, what is expected there, and what was found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from msgspec import inspect

from neuron_tools.scenario.schema import CORE_LIST_PATTERN, DURATION, NAME_PATTERN

_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<key>key` in `)?(?P<path>[^`]*)`)?$", re.S)
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>[0-9]+)\]|(?P<any>\[\.\.\.\])")
_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`")
_PATTERNS = {
    DURATION.pattern: "a duration such as 90s, 1m30s or 6h",
    NAME_PATTERN: "a name of letters, digits, '.', '_' and '-'",
    CORE_LIST_PATTERN: 'indices such as "0", "0-3" or "1,4-5"',
}
_SHOWN = 60


class Explained(NamedTuple):
    """A validation error.

    Attributes:
        place: path such as ``$.applications[0].tag``; of an unknown field, that of the field.
        problem: one sentence.
    """

    place: str
    problem: str


def explain(error: msgspec.ValidationError, tree: object, kind: object) -> Explained:
    """Put the error of ``msgspec.convert(tree, kind)`` in plain words."""
    found = _AT.match(str(error))
    what, path = (found["what"], found["path"] or "$") if found else (str(error), "$")
    if tree is None and path == "$":
        return Explained(path, "the file is empty")
    place, value = _named(path, tree, kind, str(error))
    unknown = _UNKNOWN.search(what)
    if unknown:
        return Explained(f"{place}.{unknown['name']}", f"unknown field `{unknown['name']}`")
    if found and found["key"]:
        return Explained(place, f"an entry has an invalid key: expected {_PATTERNS[NAME_PATTERN]}")
    expected = _type_at(inspect.type_info(kind), path)
    if expected is not None and what.startswith(("Expected", "Invalid enum")):
        return Explained(place, f"expected {_words(expected)}, not {_shown(value)}")
    return Explained(place, f"{what[:1].lower()}{what[1:]}")


def _named(path: str, tree: object, kind: object, error: str) -> tuple[str, object]:
    """Return the path with the key of each ``[...]``, and the value there."""
    place, value = "$", tree
    for step in _STEP.finditer(path):
        if step["any"]:
            name = _failing_key(place, value, tree, kind, error)
            if name is None:
                return path, None
            place, value = f"{place}.{name}", value[name] if isinstance(value, dict) else None
        elif step["index"]:
            place, value = place + step[0], value[int(step["index"])] if isinstance(value, list) else None
        else:
            place, value = place + step[0], value.get(step["name"]) if isinstance(value, dict) else None
    return place, value


def _failing_key(place: str, value: object, tree: object, kind: object, error: str) -> str | None:
    """Find the entry of a mapping that causes the error: alone in the mapping, it causes the same."""
    for name, inner in value.items() if isinstance(value, dict) else ():
        try:
            msgspec.convert(_replaced(tree, list(_STEP.finditer(place)), {name: inner}), kind)
        except msgspec.ValidationError as other:
            if str(other) == error:
                return str(name)
    return None


def _replaced(tree: object, steps: list[re.Match[str]], value: object) -> object:
    """Copy a tree with another value at a place."""
    if not steps:
        return value
    first, rest = steps[0], steps[1:]
    if isinstance(tree, list) and first["index"]:
        index = int(first["index"])
        return [*tree[:index], _replaced(tree[index], rest, value), *tree[index + 1 :]]
    if isinstance(tree, Mapping):
        return {**tree, first["name"]: _replaced(tree.get(first["name"]), rest, value)}
    return tree


def _type_at(at: inspect.Type, path: str) -> inspect.Type | None:
    for step in _STEP.finditer(path):
        at = next((t for t in _choices(at) if not isinstance(t, inspect.NoneType)), at)
        if isinstance(at, inspect.StructType) and step["name"]:
            fields = {field.encode_name: field.type for field in at.fields}
            if step["name"] not in fields:
                return None
            at = fields[step["name"]]
        elif isinstance(at, inspect.ListType):
            at = at.item_type
        elif isinstance(at, inspect.DictType):
            at = at.value_type
        else:
            return None
    return at


def _choices(at: inspect.Type) -> tuple[inspect.Type, ...]:
    while isinstance(at, inspect.Metadata):
        at = at.type
    return at.types if isinstance(at, inspect.UnionType) else (at,)


def _words(expected: inspect.Type) -> str:
    return " or ".join(_word(choice) for choice in _choices(expected) if not isinstance(choice, inspect.NoneType))


def _word(expected: inspect.Type) -> str:
    match expected:
        case inspect.StrType(pattern=str(pattern)):
            return _PATTERNS.get(pattern) or f"one of {pattern.strip('^$()').replace('|', ', ')}"
        case inspect.StrType(max_length=int(most)):
            return f"text of 1 to {most} characters"
        case inspect.StrType():
            return "text"
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType() | inspect.FloatType():
            return _number(expected)
        case inspect.EnumType():
            return f"one of {', '.join(str(member.value) for member in expected.cls)}"
        case inspect.ListType():
            return "a list" if not expected.min_length else f"a list of {expected.min_length} or more"
        case _:
            return "a mapping with fields"


def _number(expected: inspect.IntType | inspect.FloatType) -> str:
    words = "a whole number" if isinstance(expected, inspect.IntType) else "a number"
    least, most = expected.ge, expected.le if expected.le is not None else expected.lt
    limits = [
        *([f"more than {expected.gt:g}"] if expected.gt is not None else []),
        *([f"{least:g} or more"] if least is not None and most is None else []),
        *([f"from {least:g}"] if least is not None and most is not None else []),
        *([f"{'up to' if expected.le is not None else 'below'} {most:.10g}"] if most is not None else []),
    ]
    return " ".join([words, *limits])


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
