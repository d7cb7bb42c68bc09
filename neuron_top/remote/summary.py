"""A node of a fleet by its monitor's summary: 1 KB of JSON instead of thousands of series of text."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from neuron_top.formatting import shorten
from neuron_top.model.fleet import OK, NodeRow
from neuron_top.model.moment import Clean
from runtime_core.telemetry import NodeError, Severity

JSON = "application/json"
_METRICS = "/metrics"
_SUMMARY = "/api/v1/summary"
_MAX_BYTES = 1 << 20
_MAX_CORES = 4096
_MAX_CHARACTERS = 200
_STALE_SECONDS = 60
"""As neuron-monitor's own readiness has it."""

_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Amount = Annotated[float, Meta(ge=0, le=1e15)]


class _Instance(msgspec.Struct):
    instance_id: str = ""
    instance_type: str = ""
    instance_availability_zone: str = ""


class _Problem(msgspec.Struct):
    severity: str
    text: str


class Summary(msgspec.Struct):
    """What is read of ``/api/v1/summary``; fields that are missing are not available."""

    time_unix_seconds: Annotated[float, Meta(ge=0, le=1e12)]
    error: str
    instance_info: _Instance
    neuroncore_utilization_ratio: list[Annotated[float, Meta(ge=0, le=1)] | None]
    problems: list[_Problem]
    neuron_runtime_count: _Count | None = None
    neuroncore_owned_count: _Count | None = None
    executions_total: _Count | None = None
    executions_failed_total: _Count | None = None
    execution_latency_p99_seconds: _Amount | None = None
    neuron_device_memory_used_bytes: _Count | None = None
    neuron_device_memory_total_bytes: _Count | None = None
    ecc_uncorrected_total: _Count | None = None


_DECODER = msgspec.json.Decoder(Summary)
_GRADES = {severity.name.lower(): severity for severity in Severity}


def summary_path(metrics_path: str) -> str | None:
    """Where the monitor has its summary, which serves metrics at ``metrics_path``; ``None``: that is not known."""
    path, question, _ = metrics_path.partition("?")
    if question or not path.endswith(_METRICS):
        return None
    return path.removesuffix(_METRICS) + _SUMMARY


def read_summary(body: bytes) -> Summary | None:
    """Return the summary in a response; ``None`` if it is not a summary, or larger than that of any node."""
    if len(body) > _MAX_BYTES:
        return None
    try:
        found = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if len(found.neuroncore_utilization_ratio) <= _MAX_CORES else None


class SummaryReader:
    """Rows of one node. Rates are about the time since the summary before."""

    def __init__(self, endpoint: str, clean: Clean) -> None:
        """``clean`` makes outside text fit for the terminal."""
        self._endpoint = endpoint
        self._clean = clean
        self._last: Summary | None = None
        self._rates: tuple[float | None, int | None] = (None, None)

    def row(self, found: Summary, age_seconds: int, now: float) -> NodeRow:
        """The row of a summary.

        Args:
            found: the summary.
            age_seconds: of its figures.
            now: CLOCK_MONOTONIC in seconds.

        Raises:
            NodeError: the monitor cannot read its node, or has not for long.
        """
        if found.error:
            raise NodeError(f"the neuron-monitor of {self._endpoint} can't read its node")
        if age_seconds > _STALE_SECONDS:
            raise NodeError(f"the last report of {self._endpoint} is {age_seconds} s old")
        self._take(found)
        cores = found.neuroncore_utilization_ratio
        known = [share for share in cores if share is not None]
        p99 = found.execution_latency_p99_seconds
        instance = found.instance_info
        return NodeRow(
            self._endpoint,
            "",
            now,
            self._text(instance.instance_id),
            self._text(instance.instance_type),
            self._text(instance.instance_availability_zone),
            found.neuron_runtime_count,
            found.neuroncore_owned_count,
            tuple(cores),
            sum(known) / len(known) if known else None,
            self._rates[0],
            None if p99 is None else p99 * 1e9,
            found.neuron_device_memory_used_bytes,
            found.neuron_device_memory_total_bytes,
            self._rates[1],
            found.ecc_uncorrected_total,
            self._state(found.problems),
            max((_GRADES.get(problem.severity, Severity.CRITICAL) for problem in found.problems), default=None),
        )

    def _take(self, found: Summary) -> None:
        last = self._last
        if last is not None and found.time_unix_seconds == last.time_unix_seconds:
            return
        self._last, self._rates = found, (None, None)
        if last is None or found.time_unix_seconds < last.time_unix_seconds:
            return
        seconds = found.time_unix_seconds - last.time_unix_seconds
        executed = _since(found.executions_total, last.executions_total)
        failed = _since(found.executions_failed_total, last.executions_failed_total)
        self._rates = None if executed is None else executed / seconds, failed

    def _text(self, text: str) -> str:
        return self._clean(text[:_MAX_CHARACTERS])

    def _state(self, problems: list[_Problem]) -> str:
        """The worst problem in words, and how many more there are."""
        if not problems:
            return OK
        more = len(problems) - 1
        return shorten(self._text(problems[0].text), _MAX_CHARACTERS) + (f" +{more}" if more else "")


def _since(after: int | None, before: int | None) -> int | None:
    """The count since the summary before; the monitor of one that went back began anew."""
    if after is None or before is None:
        return None
    return after - before if after >= before else after
