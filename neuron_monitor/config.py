"""The configuration file (``contracts/neuron-monitor.md``)."""

from __future__ import annotations

import enum
import re
from pathlib import Path

import msgspec

from neuron_monitor.durations import parse_duration
from runtime_core.telemetry import NeuronError

DEFAULT_PERIOD = "5s"


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
        address: only the neuron-rtd of that address; ``None``: whatever has none or any.
        periods: group -> seconds.
    """

    tag_filter: re.Pattern[str] | None
    address: str | None
    periods: dict[RuntimeMetric, float]


class Config(msgspec.Struct, frozen=True):
    """What to report and how often (seconds)."""

    runtimes: tuple[RuntimeRule, ...]
    system: dict[SystemMetric, float]


def _period(place: str, *texts: str | None) -> float:
    """The nearest period that is given."""
    for text, where in zip(texts, (place, "$"), strict=False):
        if text is not None:
            try:
                return parse_duration(text)
            except ValueError as error:
                raise ValueError(f"{error} - at `{where}.period`") from None
    return parse_duration(DEFAULT_PERIOD)


def _rule(index: int, entry: _RuntimeEntry, root: str | None) -> RuntimeRule:
    place = f"$.neuron_runtimes[{index}]"
    try:
        pattern = None if entry.tag_filter is None else re.compile(entry.tag_filter)
    except re.error as error:
        raise ValueError(f"{entry.tag_filter!r} is no regular expression ({error}) - at `{place}.tag_filter`") from None
    periods = {}
    for number, metric in enumerate(entry.metrics):
        inner = entry.period if entry.period is not None else root
        where = (
            f"{place}.metrics[{number}]" if metric.period is not None else place if entry.period is not None else "$"
        )
        periods[metric.type] = _period(where, metric.period if metric.period is not None else inner)
    return RuntimeRule(pattern, entry.address, periods)


def default_config() -> Config:
    """Every group, every 5 seconds."""
    seconds = parse_duration(DEFAULT_PERIOD)
    rule = RuntimeRule(None, None, dict.fromkeys(RuntimeMetric, seconds))
    return Config((rule,), dict.fromkeys(SystemMetric, seconds))


def _expected(message: str) -> str:
    """The values that a misspelt metric type could have had."""
    if "enum value" not in message:
        return ""
    kinds = SystemMetric if "system_metrics" in message else RuntimeMetric
    return f": expected one of {', '.join(kind.value for kind in kinds)}"


def parse_config(content: bytes, name: str) -> Config:
    """Read a configuration.

    Args:
        content: the file's bytes.
        name: what to call it in messages.

    Raises:
        ConfigError: naming the file, the place and what was expected.
    """
    try:
        file = msgspec.json.decode(content, type=_File)
        rules = tuple(_rule(i, entry, file.period) for i, entry in enumerate(file.neuron_runtimes))
        system = {}
        for number, metric in enumerate(file.system_metrics):
            place = f"$.system_metrics[{number}]" if metric.period is not None else "$"
            system[metric.type] = _period(place, metric.period if metric.period is not None else file.period)
        if file.period is not None:
            _period("$", file.period)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ConfigError(f"{name}: {error}{_expected(str(error))}") from None
    return Config(rules, system)


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
