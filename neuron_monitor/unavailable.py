"""Values that a source does not provide: 0 on the wire, named in the group's ``error``, and ``None`` again when read.

Programs that read the stream calculate with its numbers, so a number is never null. Our own readers parse the ``error``
and omit such values. In groups of other monitors that report an error, 0 is treated as unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
from msgspec import UNSET

from neuron_monitor.report import Report
from neuron_monitor.shapes import Kind, shapes_of

WORDS = "not available, reported as 0 or null: "
_KEPT = frozenset({"period", "neuron_device_index", "neuroncore_index", "model_id"})
"""Numbers that identify a figure rather than measure something."""


def with_words(error: str, names: list[str]) -> str:
    """Return an ``error`` that also names the values that are not available."""
    rest, before = split_words(error)
    every = list(dict.fromkeys((*sorted(before), *names)))
    if not every:
        return error
    words = WORDS + ", ".join(every)
    return f"{rest}; {words}" if rest else words


def split_words(error: str) -> tuple[str, frozenset[str]]:
    """Split an ``error`` into its text and the names of the values that are not available."""
    before, found, after = error.partition(WORDS)
    if not found:
        return error, frozenset()
    return before.removesuffix("; "), frozenset(after.split(", "))


def name_of(path: tuple[str, ...], keys: tuple[str, ...] = ()) -> str:
    """Return the name of a value in an ``error``: fields, and the key of an item: ``neuroncores_in_use.flops[3]``."""
    return ".".join(path) + (f"[{'/'.join(keys)}]" if keys else "")


_Wanted = Callable[[tuple[str, ...], tuple[str, ...], object], bool]


def _forget(record: msgspec.Struct, wanted: _Wanted, path: tuple[str, ...], keys: tuple[str, ...]) -> None:
    for name, shape in shapes_of(type(record)).items():
        value, here = getattr(record, name), (*path, name)
        if value is UNSET or value is None or name in _KEPT:
            continue
        if shape.kind in (Kind.INTEGER, Kind.NUMBER, Kind.RECORD) and wanted(here, keys, value):
            setattr(record, name, None)
        elif isinstance(value, msgspec.Struct):
            _forget(value, wanted, here, keys)
        elif isinstance(value, dict):
            for key, item in value.items():
                if isinstance(item, msgspec.Struct):
                    _forget(item, wanted, here, (*keys, key))
        elif isinstance(value, list):
            for number, item in enumerate(value):
                if isinstance(item, msgspec.Struct):
                    _forget(item, wanted, here, (*keys, str(number)))


def _forget_group(group: msgspec.Struct) -> None:
    error: str = group.error  # type: ignore[attr-defined]  # every group has one
    rest, names = split_words(error)
    if names:
        group.error = rest  # type: ignore[attr-defined]
        _forget(group, lambda path, keys, _: name_of(path) in names or name_of(path, keys) in names, (), ())
    else:
        _forget(group, lambda _path, _keys, value: value == 0 and not isinstance(value, bool), (), ())


def groups_of(report: Report) -> Iterator[msgspec.Struct]:
    """Yield every record with its own ``error``, except the entries of runtimes."""
    for holder in (*(entry.report for entry in report.neuron_runtime_data), report.system_data):
        for name in holder.__struct_fields__:
            group = getattr(holder, name)
            if group is not UNSET:
                yield group
    yield report.neuron_hardware_info


def forget_unavailable(report: Report) -> None:
    """Set values that are not available to ``None`` again, in place."""
    for group in groups_of(report):
        if group.error:  # type: ignore[attr-defined]
            _forget_group(group)
