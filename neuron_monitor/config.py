"""The configuration file of neuron-monitor, in the format of the current and earlier releases."""

from __future__ import annotations

from pathlib import Path

import msgspec

from neuron_console.units import parse_period
from neuron_monitor.compat.releases import Compat, compat_named
from neuron_monitor.config_file import (
    FileRecord,
    MetricRecord,
    MisplacedError,
    RuntimeRecord,
    StrictFile,
    described,
    unknown_fields,
)
from neuron_monitor.config_names import (
    IN_EVERY_REPORT,
    RUNTIME_NAMES,
    SYSTEM_NAMES,
    RuntimeMetric,
    SystemMetric,
    plain_json,
)
from neuron_monitor.tags import TagFilter, tag_filter
from runtime_core.telemetry import NeuronError, read_regular

_MAX_BYTES = 4 << 20
DEFAULT_PERIOD, ONCE_PERIOD = "5s", "1s"
"""Periods without a configuration file: of a stream, and of a single report, for which somebody waits."""


class ConfigError(NeuronError):
    """A configuration file is invalid; the error names the file, the location and the expected value."""


class RuntimeRule(msgspec.Struct, frozen=True):
    """A rule that selects runtimes, and the periods of their metric groups.

    Attributes:
        tag_filter: regular expression searched in the runtime's tag; ``None`` matches all runtimes.
        address: matches only the neuron-rtd with this address; ``None`` matches all.
        periods: group -> period in seconds.
    """

    tag_filter: TagFilter | None
    address: str | None
    periods: dict[RuntimeMetric, float]


class Config(msgspec.Struct, frozen=True):
    """Contents and periods (seconds) of the report.

    Attributes:
        runtimes: rules for the groups of runtimes.
        system: group of the system -> period in seconds.
        compat: the release whose form the report has; ``None`` for our own.
        idle_seconds: period of reports if no group is configured.
        warnings: parts of the file that are ignored, one sentence each.
    """

    runtimes: tuple[RuntimeRule, ...]
    system: dict[SystemMetric, float]
    compat: Compat | None = None
    idle_seconds: float = 5.0
    warnings: tuple[str, ...] = ()


def _seconds(place: str, text: str | None, outer: float) -> float:
    """Return the period given at ``place``, or else the enclosing one."""
    if text is None:
        return outer
    try:
        return parse_period(text)
    except ValueError as error:
        raise MisplacedError(f"{place}.period", str(error)) from None


class _Builder:
    """Converts the parts of a file, and collects the groups of the system and the warnings."""

    def __init__(self) -> None:
        self.system: dict[SystemMetric, float] = {}
        self.warnings: list[str] = []
        self.groups = 0

    def runtime_groups(self, place: str, metrics: list[MetricRecord], around: float) -> dict[RuntimeMetric, float]:
        """Return the groups of a runtime rule. In Runtime 1.x, such rules also contained groups of the system."""
        periods: dict[RuntimeMetric, float] = {}
        for number, metric in enumerate(metrics):
            here = f"{place}.metrics[{number}]"
            seconds = _seconds(here, metric.period, around)
            self.groups += 1
            if metric.type in RUNTIME_NAMES:
                periods[RUNTIME_NAMES[metric.type]] = seconds
            elif metric.type in SYSTEM_NAMES:
                self.system.setdefault(SYSTEM_NAMES[metric.type], seconds)
            else:
                self._unknown(here, metric.type, RuntimeMetric)
        return periods

    def system_groups(self, metrics: list[MetricRecord], around: float) -> None:
        """Add the groups of ``system_metrics``."""
        for number, metric in enumerate(metrics):
            here = f"$.system_metrics[{number}]"
            seconds = _seconds(here, metric.period, around)
            self.groups += 1
            if metric.type in SYSTEM_NAMES:
                self.system[SYSTEM_NAMES[metric.type]] = seconds
            else:
                self._unknown(here, metric.type, SystemMetric)

    def _unknown(self, place: str, name: str, kinds: type[RuntimeMetric] | type[SystemMetric]) -> None:
        if name in IN_EVERY_REPORT:
            self.warnings.append(f"{place}.type: {name!r} is not a metric group: it is part of every report")
        elif name in RUNTIME_NAMES:
            self.warnings.append(f"{place}.type: {name!r} is a group of runtimes: move it to `neuron_runtimes`")
        else:
            known = ", ".join(kind.value for kind in kinds)
            self.warnings.append(f"{place}.type: unknown metric group {name[:80]!r} is ignored; known groups: {known}")


def _rule(place: str, entry: RuntimeRecord, outer: float, builder: _Builder) -> RuntimeRule:
    try:
        pattern = None if entry.tag_filter is None else tag_filter(entry.tag_filter)
    except ValueError as error:
        problem = f"expected a regular expression, got {entry.tag_filter!r}: {error}"
        raise MisplacedError(f"{place}.tag_filter", problem) from None
    around = _seconds(place, entry.period, outer)
    return RuntimeRule(pattern, entry.address, builder.runtime_groups(place, entry.metrics or [], around))


def _compat(name: str | None) -> Compat | None:
    try:
        return None if name is None else compat_named(name)
    except ValueError as error:
        raise MisplacedError("$.compat", str(error)) from None


def _config(file: FileRecord, unknown: list[str]) -> Config:
    outer = _seconds("$", file.period, parse_period(DEFAULT_PERIOD))
    builder = _Builder()
    rules = tuple(
        _rule(f"$.neuron_runtimes[{number}]", entry, outer, builder)
        for number, entry in enumerate(file.neuron_runtimes or [])
    )
    builder.system_groups(file.system_metrics or [], outer)
    if not builder.groups:
        raise MisplacedError("$", "expected at least one metric in `neuron_runtimes` or `system_metrics`, got none")
    warnings = (*(f"{place}: unknown field is ignored" for place in unknown), *builder.warnings)
    return Config(rules, builder.system, _compat(file.compat), outer, warnings)


def default_config(period: str = DEFAULT_PERIOD) -> Config:
    """Return the configuration with every group in each period."""
    seconds = parse_period(period)
    rule = RuntimeRule(None, None, dict.fromkeys(RuntimeMetric, seconds))
    return Config((rule,), dict.fromkeys(SystemMetric, seconds))


def parse_config(content: bytes, name: str, *, strict: bool = False) -> Config:
    """Parse a configuration. Old names, a byte order mark and comments are accepted; unknown parts cause warnings.

    Args:
        content: the file's bytes.
        name: name of the file for messages.
        strict: accept only current names, and no comments.

    Raises:
        ConfigError: the configuration is invalid.
    """
    try:
        if strict:
            msgspec.json.decode(content, type=StrictFile)
        else:
            content = plain_json(content)
        file = msgspec.json.decode(content, type=FileRecord)
        return _config(file, unknown_fields(msgspec.json.decode(content)))
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise ConfigError(" ".join(described(error, content).split()), where=name) from None


def load_config(path: Path, *, strict: bool = False) -> Config:
    """Read and parse a configuration file; see :func:`parse_config`.

    Raises:
        ConfigError: the file cannot be read, or is invalid.
    """
    try:
        content = read_regular(path, _MAX_BYTES)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from None
    return parse_config(content, str(path), strict=strict)
