"""The fields of a configuration file, and messages about files that cannot be decoded."""

from __future__ import annotations

import re

import msgspec

from neuron_monitor.config_names import RuntimeMetric, SystemMetric

_PLACE = re.compile(r"(?s)(.*) - at `(?:key in )?([^`]*)`")
_BYTE = re.compile(r"(.*) \(byte (\d+)\)")
_EXPECTED_PERIOD = 'a duration like "1s", "500ms" or "1m30s"'


class _StrictRuntimeMetric(msgspec.Struct, forbid_unknown_fields=True):
    type: RuntimeMetric
    period: str | None = None


class _StrictSystemMetric(msgspec.Struct, forbid_unknown_fields=True):
    type: SystemMetric
    period: str | None = None


class _StrictRuntime(msgspec.Struct, forbid_unknown_fields=True):
    tag_filter: str | None = None
    address: str | None = None
    metrics: list[_StrictRuntimeMetric] = []
    period: str | None = None


class StrictFile(msgspec.Struct, forbid_unknown_fields=True):
    """A file with current names only."""

    period: str | None = None
    neuron_runtimes: list[_StrictRuntime] = []
    system_metrics: list[_StrictSystemMetric] = []
    compat: str | None = None


class MetricRecord(msgspec.Struct):
    """A metric group."""

    type: str
    period: str | None = None


class RuntimeRecord(msgspec.Struct):
    """An entry of ``neuron_runtimes``."""

    tag_filter: str | None = None
    address: str | None = None
    metrics: list[MetricRecord] | None = None
    period: str | None = None


class FileRecord(msgspec.Struct):
    """A file; ``None`` for a field that it does not contain."""

    period: str | None = None
    neuron_runtimes: list[RuntimeRecord] | None = None
    system_metrics: list[MetricRecord] | None = None
    compat: str | None = None


class MisplacedError(ValueError):
    """An error at a location that msgspec did not check."""

    def __init__(self, place: str, problem: str) -> None:
        """Record ``problem`` at ``place``, such as ``$.period``."""
        super().__init__(problem)
        self.place = place


def unknown_fields(content: object) -> list[str]:
    """Return the locations of fields without meaning, in a file whose known fields have valid types."""
    found: list[str] = []

    def look(value: object, record: type[msgspec.Struct], place: str) -> None:
        if isinstance(value, dict):
            found.extend(f"{place}.{name[:80]}" for name in value if name not in record.__struct_fields__)
            for name, inner in (
                ("neuron_runtimes", RuntimeRecord),
                ("metrics", MetricRecord),
                ("system_metrics", MetricRecord),
            ):
                if name in record.__struct_fields__:
                    for number, item in enumerate(value.get(name) or ()):
                        look(item, inner, f"{place}.{name}[{number}]")

    look(content, FileRecord, "$")
    return found


def _names(place: str) -> str:
    """Return the valid values or fields at ``place``, if they are a closed set."""
    if place.endswith(".type"):
        kinds = SystemMetric if "system_metrics" in place else RuntimeMetric
        return ", ".join(kind.value for kind in kinds)
    record: type[msgspec.Struct] = FileRecord
    if "metrics[" in place:
        record = MetricRecord
    elif "neuron_runtimes[" in place:
        record = RuntimeRecord
    return ", ".join(f"`{name}`" for name in record.__struct_fields__)


def _line_and_column(content: bytes, at: int) -> str:
    before = content[:at]
    column = at - (before.rfind(b"\n") + 1) + 1
    return f"line {before.count(10) + 1}, column {column}"


def described(error: Exception, content: bytes) -> str:
    """Return ``PLACE: expected ...`` for an error from decoding."""
    text = str(error)
    if isinstance(error, MisplacedError):
        return f"{error.place}: {text}"
    if isinstance(error, UnicodeDecodeError):
        return f"expected JSON in UTF-8: {error.reason}"
    if isinstance(error, RecursionError):
        return "expected a configuration, got JSON that is nested too deeply"
    if not isinstance(error, msgspec.ValidationError):
        malformed = _BYTE.fullmatch(text)
        if malformed is None:
            return f"expected a JSON object: {text[:1].lower()}{text[1:]}"
        return f"{_line_and_column(content, int(malformed[2]))}: expected a JSON object: {malformed[1]}"
    found = _PLACE.fullmatch(text)
    problem, place = (found[1], found[2]) if found is not None else (text, "$")
    if problem.startswith("Invalid enum value"):
        return f"{place}: expected one of {_names(place)}, got{problem.removeprefix('Invalid enum value')}"
    if "unknown field" in problem:
        return f"{place}: {problem[:1].lower()}{problem[1:]}: expected {_names(place)}"
    if place.endswith(".period"):
        problem = f"expected {_EXPECTED_PERIOD}, got {problem.rpartition(', got ')[2]}"
    return f"{place}: {problem[:1].lower()}{problem[1:]}"
