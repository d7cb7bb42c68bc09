"""The configuration file (``contracts/neuron-monitor.md``)."""

from __future__ import annotations

import enum
import re
from pathlib import Path

import msgspec

from neuron_monitor.durations import parse_duration
from runtime_core.telemetry import NeuronError

DEFAULT_PERIOD = "5s"
_PLACE = re.compile(r"(?s)(.*) - at `(?:key in )?([^`]*)`")
_BYTE = re.compile(r"(.*) \(byte (\d+)\)")
_EXPECTED_PERIOD = 'a duration like "1s", "500ms" or "1m30s"'


class ConfigError(NeuronError):
    """A configuration file that can't be used; names the file, the place and what was expected."""


class RuntimeMetric(enum.StrEnum):
    """Groups of a runtime's report."""

    NEURONCORE_COUNTERS = "neuroncore_counters"
    MEMORY_USED = "memory_used"
    VCPU_USAGE = "neuron_runtime_vcpu_usage"
    EXECUTION_STATS = "execution_stats"


class SystemMetric(enum.StrEnum):
    """Groups of the system's report."""

    VCPU_USAGE = "vcpu_usage"
    MEMORY_INFO = "memory_info"
    HW_COUNTERS = "neuron_hw_counters"


class _RuntimeMetricEntry(msgspec.Struct, forbid_unknown_fields=True):
    type: RuntimeMetric
    period: str | None = None


class _SystemMetricEntry(msgspec.Struct, forbid_unknown_fields=True):
    type: SystemMetric
    period: str | None = None


class _RuntimeEntry(msgspec.Struct, forbid_unknown_fields=True):
    tag_filter: str | None = None
    address: str | None = None
    metrics: list[_RuntimeMetricEntry] = []
    period: str | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    period: str | None = None
    neuron_runtimes: list[_RuntimeEntry] = []
    system_metrics: list[_SystemMetricEntry] = []


class RuntimeRule(msgspec.Struct, frozen=True):
    """Which runtimes, and which of their groups how often.

    Attributes:
        tag_filter: searched in the runtime's tag; ``None`` matches all.
        address: only the neuron-rtd of that address; ``None`` matches all.
        periods: group -> seconds.
    """

    tag_filter: re.Pattern[str] | None
    address: str | None
    periods: dict[RuntimeMetric, float]


class Config(msgspec.Struct, frozen=True):
    """What to report and how often (seconds)."""

    runtimes: tuple[RuntimeRule, ...]
    system: dict[SystemMetric, float]


class _Misplaced(ValueError):
    """What is wrong at a place that msgspec did not check."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(problem)
        self.place = place


def _seconds(place: str, text: str | None, outer: float) -> float:
    """The period that is given at ``place``, or the one around it."""
    if text is None:
        return outer
    try:
        return parse_duration(text)
    except ValueError as error:
        raise _Misplaced(f"{place}.period", str(error)) from None


def _rule(place: str, entry: _RuntimeEntry, outer: float) -> RuntimeRule:
    try:
        pattern = None if entry.tag_filter is None else re.compile(entry.tag_filter)
    except (re.error, OverflowError, RecursionError) as error:
        problem = f"expected a regular expression, got {entry.tag_filter!r}: {error}"
        raise _Misplaced(f"{place}.tag_filter", problem) from None
    around = _seconds(place, entry.period, outer)
    periods = {
        metric.type: _seconds(f"{place}.metrics[{number}]", metric.period, around)
        for number, metric in enumerate(entry.metrics)
    }
    return RuntimeRule(pattern, entry.address, periods)


def _config(file: _File) -> Config:
    outer = _seconds("$", file.period, parse_duration(DEFAULT_PERIOD))
    rules = tuple(_rule(f"$.neuron_runtimes[{i}]", entry, outer) for i, entry in enumerate(file.neuron_runtimes))
    system = {
        metric.type: _seconds(f"$.system_metrics[{number}]", metric.period, outer)
        for number, metric in enumerate(file.system_metrics)
    }
    if not system and not any(rule.periods for rule in rules):
        raise _Misplaced("$", "expected at least one metric in `neuron_runtimes` or `system_metrics`, got none")
    return Config(rules, system)


def default_config() -> Config:
    """Every group, every 5 seconds."""
    seconds = parse_duration(DEFAULT_PERIOD)
    rule = RuntimeRule(None, None, dict.fromkeys(RuntimeMetric, seconds))
    return Config((rule,), dict.fromkeys(SystemMetric, seconds))


def _names(place: str) -> str:
    """What may stand at ``place``, where the values or the fields are a closed set."""
    if place.endswith(".type"):
        kinds = SystemMetric if "system_metrics" in place else RuntimeMetric
        return ", ".join(kind.value for kind in kinds)
    record: type[msgspec.Struct] = _File
    if "metrics[" in place:
        record = _SystemMetricEntry if "system_metrics" in place else _RuntimeMetricEntry
    elif "neuron_runtimes[" in place:
        record = _RuntimeEntry
    return ", ".join(f"`{name}`" for name in record.__struct_fields__)


def _line_and_column(content: bytes, at: int) -> str:
    before = content[:at]
    column = at - (before.rfind(b"\n") + 1) + 1
    return f"line {before.count(10) + 1}, column {column}"


def _described(error: Exception, content: bytes) -> str:
    """``PLACE: what was expected`` for whatever decoding found wrong."""
    text = str(error)
    if isinstance(error, _Misplaced):
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


def parse_config(content: bytes, name: str) -> Config:
    """Read a configuration.

    Args:
        content: the file's bytes.
        name: what to call it in messages.

    Raises:
        ConfigError: naming the file, the place and what was expected.
    """
    try:
        return _config(msgspec.json.decode(content, type=_File))
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        described = " ".join(_described(error, content).split())
        raise ConfigError(f"{name}: {described}") from None


def load_config(path: Path) -> Config:
    """Read a configuration file.

    Raises:
        ConfigError: it can't be read, or is wrong.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None
    return parse_config(content, str(path))
