"""The fields of the report's records as data, for code that treats all fields alike: the filler and the reader."""

from __future__ import annotations

import enum
import functools
import types
import typing
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from neuron_monitor.report import Percentiles


class Kind(enum.Enum):
    """Kind of value in a field."""

    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"
    RECORD = "record"
    LIST = "list"
    BY_NAME = "by name"


_SCALARS = {int: Kind.INTEGER, float: Kind.NUMBER, str: Kind.TEXT, bool: Kind.BOOLEAN}


class Shape(NamedTuple):
    """A field of a record, or an item of a list or mapping.

    Attributes:
        kind: kind of the value.
        record: type of the record, if the value is a record.
        item: shape of the items, if the value is a list or a mapping.
        may_be_absent: the field is omitted if there is nothing to report.
        may_be_null: null is a valid value on the wire: no execution, no latency.
    """

    kind: Kind
    record: type[msgspec.Struct] | None = None
    item: Shape | None = None
    may_be_absent: bool = False
    may_be_null: bool = False


def _shape(hint: object, *, absent: bool) -> Shape:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _shape(arguments[0], absent=absent)
    if origin in (types.UnionType, typing.Union):
        (only,) = [one for one in arguments if one not in (type(None), UnsetType)]
        return _shape(only, absent=absent or UnsetType in arguments)
    if origin is list:
        return Shape(Kind.LIST, item=_shape(arguments[0], absent=False), may_be_absent=absent)
    if origin is dict:
        return Shape(Kind.BY_NAME, item=_shape(arguments[1], absent=False), may_be_absent=absent)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return Shape(Kind.RECORD, hint, may_be_absent=absent, may_be_null=hint is Percentiles)
    if not isinstance(hint, type) or hint not in _SCALARS:
        raise TypeError(f"a report has no fields of {hint}")
    return Shape(_SCALARS[hint], may_be_absent=absent)


@functools.cache
def shapes_of(record: type[msgspec.Struct]) -> dict[str, Shape]:
    """Return the fields of a record of ``neuron_monitor.report``, in order."""
    hints = typing.get_type_hints(record, include_extras=True)
    return {name: _shape(hints[name], absent=False) for name in record.__struct_fields__}


def zero_of(shape: Shape) -> object:
    """Return the empty value on the wire: 0, "", an empty list, or a record of zeros."""
    match shape.kind:
        case Kind.RECORD if shape.record is not None:
            fields = shapes_of(shape.record).items()
            return {name: zero_of(field) for name, field in fields if not field.may_be_absent}
        case Kind.TEXT:
            return ""
        case Kind.LIST:
            return []
        case Kind.BY_NAME:
            return {}
        case Kind.BOOLEAN:
            return False
        case _:
            return 0


def group_error(group: object) -> str:
    """Return the ``error`` of a metric group; "" for an absent group."""
    return "" if group is UNSET else str(getattr(group, "error", ""))
