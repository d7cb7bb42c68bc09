"""The schema of scenario files, validated by msgspec. ``docs/how-to/scenarios.md`` explains every field."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from neuron_console.units import parse_period
from runtime_core.driver.faults.table import ErrorClass, FaultKind, Side
from runtime_core.errors import UsageError

DURATION = re.compile(r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$")
Seconds = Annotated[str, Meta(pattern=DURATION.pattern)]
"""A duration: ``90s``, ``1m30s``, ``500ms``, ``6h``."""
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
Name = Annotated[str, Meta(pattern=NAME_PATTERN, max_length=100)]
CORE_LIST_PATTERN = r"^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$"
CoreList = Annotated[str, Meta(pattern=CORE_LIST_PATTERN)]
Rate = Annotated[float, Meta(gt=0, le=1e5)]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1, le=10_000)]


class ModelSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model: a file, or a generated model (``milliseconds`` on each core, ``constants_mib`` of parameters)."""

    neff: str | None = None
    onnx: str | None = None
    milliseconds: Positive | None = None
    constants_mib: Positive = 1.0
    cores: Annotated[int, Meta(ge=1, le=64)] = 1


class Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Clients that execute back to back: their number per copy of the model, and their pause (``think``)."""

    workers: Count = 1
    think: Seconds = "0s"


class Diurnal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Random arrivals at a rate between ``low`` (at the start) and ``high`` (half a ``period`` later)."""

    low: Rate
    high: Rate
    period: Seconds


class Arrivals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arrivals of requests: one of these."""

    constant: Rate | None = None
    poisson: Rate | None = None
    diurnal: Diurnal | None = None
    trace: str | None = None
    closed: Closed | None = None


class PodSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Resources that an application's pod requests from the cluster: one of these."""

    neuron: Annotated[int, Meta(ge=1, le=16)] | None = None
    neuroncore: Annotated[int, Meta(ge=1, le=64)] | None = None


class ApplicationSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An application process."""

    tag: Name
    models: list[Name]
    arrivals: Arrivals
    cores: CoreList | None = None
    pod: PodSpec | None = None
    threads: Count = 1
    queue: Count | None = None
    tensors_mib: Annotated[float, Meta(ge=0)] = 0.0
    timeout: Seconds = "2s"
    start: Seconds = "0s"
    end: Seconds | None = None


class EventSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"lasting": "for"}):
    """An event: a fault, its end, a kill, a hold, a reset, or a state of the monitor."""

    at: Seconds
    fault: FaultKind | None = None
    devices: CoreList | None = None
    cores: CoreList | None = None
    ratio: float | None = None
    rate: float | None = None
    count: int | None = None
    factor: float | None = None
    share: float | None = None
    free_bytes: int | None = None
    side: Side | None = None
    error: ErrorClass | None = None
    driver_version: str | None = None
    lasting: Seconds | None = None
    clear: bool | None = None
    kill: Name | None = None
    hold: Name | None = None
    reset: Annotated[int, Meta(ge=0, le=15)] | None = None
    monitor: Annotated[str, Meta(pattern="^(up|down|stalled|absent)$")] | None = None


class ExpectationSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A condition ``at`` a time (default: the end) or ``after`` an event; ``over``: the window before that time."""

    expect: str
    at: Seconds | None = None
    after: Seconds | None = None
    over: Seconds = "1m"


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scenario file."""

    scenario: Annotated[str, Meta(min_length=1, max_length=200)]
    duration: Seconds
    models: dict[Name, ModelSpec]
    applications: list[ApplicationSpec]
    expectations: list[ExpectationSpec]
    about: str = ""
    instance: str = "inf1.6xlarge"
    sample: Seconds = "15s"
    timeline: list[EventSpec] = []


def seconds_of(duration: str) -> float:
    """Return the seconds of a duration that matches :data:`Seconds`.

    Raises:
        UsageError: it is out of range.
    """
    try:
        return 0.0 if not duration.strip("0.msh") else parse_period(duration)
    except ValueError as error:
        raise UsageError(str(error)) from None


def parse_duration(text: str, option: str) -> float:
    """Return the seconds of a duration on a command line.

    Raises:
        UsageError: it is not a duration.
    """
    if DURATION.match(text) is None:
        raise UsageError(f"expected a duration, not {text!r}", where=option, mend="use 15s, 1m or 2h")
    return seconds_of(text)


def nanoseconds_of(duration: str) -> int:
    """Return the same in whole nanoseconds."""
    return round(seconds_of(duration) * 1e9)
