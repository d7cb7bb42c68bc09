"""Build the records of a report from any JSON: valid fields are used, missing or invalid ones are ``None``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import UNSET

from neuron_monitor.reading.names import COSTS_NOTHING, OTHER_NAMES
from neuron_monitor.report import HardwareInfo, Report
from neuron_monitor.shapes import Kind, Shape, shapes_of

R = TypeVar("R", bound=msgspec.Struct)

_OPTIONAL_MEASURES = frozenset({Kind.INTEGER, Kind.NUMBER})


class Notes:
    """The fields of a line that could not be used.

    Attributes:
        missing: names of missing fields, without indices and keys.
        mistyped: names of fields with a value of another type.
    """

    def __init__(self) -> None:
        self.missing: list[str] = []
        self.mistyped: list[str] = []


def _integer(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int) and value >= 0:
        return value
    # Encoders without integers write integers as floats.
    return round(value) if isinstance(value, float) and math.isfinite(value) and value >= 0 else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    # Some releases write a tag that is a pid as a number.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


_SCALARS: dict[Kind, Callable[[object], object]] = {
    Kind.INTEGER: _integer,
    Kind.NUMBER: _number,
    Kind.TEXT: _text,
    Kind.BOOLEAN: _boolean,
}


def _nothing(shape: Shape) -> object:
    """Return the value of a missing field."""
    match shape.kind:
        case _ if shape.may_be_absent:
            return UNSET
        case Kind.TEXT:
            return ""
        case Kind.LIST:
            return []
        case Kind.BY_NAME:
            return {}
        case Kind.RECORD if shape.record is not None and not shape.may_be_null:
            return _record({}, shape.record, None, "")
        case _:
            return None


def _value(value: object, shape: Shape, notes: Notes | None, path: str) -> object:
    """Convert a value to the type of its field, or return the value of a missing field."""
    if value is None:
        return _nothing(shape)
    if shape.kind is Kind.RECORD and shape.record is not None:
        if isinstance(value, dict):
            return _record(value, shape.record, notes, path)
    elif shape.kind is Kind.LIST and shape.item is not None:
        if isinstance(value, list):
            items = [_value(item, shape.item, notes, path) for item in value if item is not None]
            return [item for item in items if item is not None]
    elif shape.kind is Kind.BY_NAME and shape.item is not None:
        if isinstance(value, dict):
            named = {key: _value(item, shape.item, notes, path) for key, item in value.items() if item is not None}
            return {key: item for key, item in named.items() if item is not None}
    else:
        found = _SCALARS[shape.kind](value)
        if found is not None:
            return found
    if notes is not None:
        notes.mistyped.append(path)
    return _nothing(shape)


def _record(fields: dict[str, object], record: type[R], notes: Notes | None, path: str) -> R:
    others = OTHER_NAMES.get(record, {})
    renamed = {others[name]: value for name, value in fields.items() if name in others}
    values: dict[str, object] = {}
    for name, shape in shapes_of(record).items():
        here = f"{path}.{name}" if path else name
        if name in fields or name in renamed:
            values[name] = _value(fields[name] if name in fields else renamed[name], shape, notes, here)
            continue
        values[name] = _nothing(shape)
        measures = shape.kind in _OPTIONAL_MEASURES or shape.kind is Kind.RECORD
        if notes is not None and measures and not shape.may_be_absent and name not in COSTS_NOTHING:
            notes.missing.append(here)
    return record(**values)


def build_hardware(value: object) -> HardwareInfo:
    """Return the hardware in a decoded ``neuron_hardware_info``."""
    return _record(value if isinstance(value, dict) else {}, HardwareInfo, None, "")


def build_report(fields: dict[str, object]) -> tuple[Report, Notes]:
    """Return the report in a decoded line, and the fields that could not be used."""
    notes = Notes()
    return _record(fields, Report, notes, ""), notes
