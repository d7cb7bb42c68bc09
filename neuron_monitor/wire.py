"""Encode a report as a line of JSON. No number is null (see :mod:`.unavailable`), except latency without executions."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from neuron_monitor.report import HardwareInfo, Report, RuntimeReport, SystemData
from neuron_monitor.shapes import Kind, Shape, shapes_of, zero_of
from neuron_monitor.unavailable import name_of, with_words

_Json = dict[str, Any]

_ENCODER = msgspec.json.Encoder()
_NULL = b":null"

_Lack = tuple[tuple[str, ...], tuple[str, ...]]


class _Filler:
    """Replaces null in a group, and records the names."""

    def __init__(self) -> None:
        self.lacks: list[_Lack] = []
        self.places: dict[tuple[str, ...], int] = {}

    def record(self, value: _Json, fields: dict[str, Shape], path: tuple[str, ...], keys: tuple[str, ...]) -> None:
        for name, shape in fields.items():
            if name not in value:
                continue
            here = (*path, name)
            self.places[here] = self.places.get(here, 0) + 1
            if value[name] is None:
                if not shape.may_be_null:
                    value[name] = zero_of(shape)
                    self.lacks.append((here, keys))
            else:
                self.inner(value[name], shape, here, keys)

    def inner(self, value: object, shape: Shape, path: tuple[str, ...], keys: tuple[str, ...]) -> None:
        if shape.kind is Kind.RECORD and shape.record is not None and isinstance(value, dict):
            self.record(value, shapes_of(shape.record), path, keys)
        elif shape.item is not None and isinstance(value, dict):
            for key, item in value.items():
                self.inner(item, shape.item, path, (*keys, key))
        elif shape.item is not None and isinstance(value, list):
            for number, item in enumerate(value):
                self.inner(item, shape.item, path, (*keys, str(number)))

    def names(self) -> list[str]:
        """Return the names of the replaced values: without keys if all items lack the value, else with keys."""
        counts: dict[tuple[str, ...], int] = {}
        for path, _ in self.lacks:
            counts[path] = counts.get(path, 0) + 1
        named = (
            name_of(path) if counts[path] == self.places[path] else name_of(path, keys) for path, keys in self.lacks
        )
        return list(dict.fromkeys(named))


def _fill_group(group: _Json, record: type[msgspec.Struct]) -> None:
    filler = _Filler()
    filler.record(group, shapes_of(record), (), ())
    if filler.lacks:
        group["error"] = with_words(group["error"], filler.names())


def _fill_groups(holder: _Json, record: type[msgspec.Struct]) -> None:
    for name, shape in shapes_of(record).items():
        if name in holder and shape.record is not None:
            _fill_group(holder[name], shape.record)


def filled(report: Report) -> dict[str, object]:
    """Return the report as JSON objects without null, except for the latency of runtimes that executed nothing."""
    line = cast(_Json, msgspec.to_builtins(report))
    for entry in line["neuron_runtime_data"]:
        _fill_groups(entry["report"], RuntimeReport)
    _fill_groups(line["system_data"], SystemData)
    _fill_group(line["neuron_hardware_info"], HardwareInfo)
    return line


def encode_report(report: Report) -> bytes:
    """Return the line without its newline."""
    line = _ENCODER.encode(report)
    return line if _NULL not in line else _ENCODER.encode(filled(report))
