"""A Prometheus server: the neuron-monitors that it scrapes, and what they reported before."""

from __future__ import annotations

import math
import urllib.parse
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import msgspec

from neuron_console.text import printable
from neuron_top.remote.client import Client
from neuron_top.remote.discovery import PATIENCE_SECONDS, Text, name_of, parse_url
from neuron_top.remote.endpoint import Endpoint
from runtime_core.telemetry import NodeError, UsageError

T = TypeVar("T")
JOB = "neuron-monitor"
"""The job of neuron-monitors in Prometheus; rules and dashboards name it too."""


class _Target(msgspec.Struct, rename="camel"):
    scrape_url: Text
    labels: dict[Text, Text] = {}
    scrape_interval: Text = ""


class _Targets(msgspec.Struct, rename="camel"):
    active_targets: list[_Target]


class _Values(msgspec.Struct):
    values: list[tuple[float, Text]] = []


class _Matrix(msgspec.Struct):
    result: list[_Values]


class _Reply(msgspec.Struct):
    status: Text
    data: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""


class Point(NamedTuple):
    """A value at a Unix time."""

    unix_seconds: float
    value: float


class Prometheus:
    """A Prometheus server."""

    def __init__(self, url: str, client: Client) -> None:
        """Create the client without a request.

        Raises:
            UsageError: this is no URL.
        """
        self._base = parse_url(url)
        self._client = client
        self.url = url
        self.scrape_seconds = 15.0
        """Its longest scrape interval for neuron-monitors; known after :meth:`targets`."""

    def _reply(self, path: str, kind: type[T]) -> T:
        answer = self._client.get(self._base, self._base.path + path, "application/json", PATIENCE_SECONDS)
        try:
            reply = msgspec.json.decode(answer.body, type=_Reply)
            if answer.status != 200 or reply.status != "success":
                reason = printable(" ".join(reply.error.split())[:200])
                raise NodeError(f"answers {answer.status}: {reason or answer.reason}", where=self.url)
            return msgspec.json.decode(reply.data, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise NodeError(
                f"answers {answer.status} and no JSON of Prometheus's API", where=self.url, mend="is it a Prometheus?"
            ) from None

    def targets(self) -> list[Endpoint]:
        """The neuron-monitors that it scrapes: the active targets of the job :data:`JOB`.

        Raises:
            NodeError: it does not answer, or not like a Prometheus.
            UsageError: it scrapes none.
        """
        found = self._reply("/api/v1/targets?state=active", _Targets).active_targets
        ours = [target for target in found if target.labels.get("job") == JOB]
        if not ours:
            jobs = sorted({printable(target.labels.get("job", "")) for target in found})
            has = f"it has {', '.join(jobs[:5])}" if jobs else "it has no targets"
            raise UsageError(f"no target of the job {JOB}: {has}", where=self.url, mend=f"name the job {JOB}")
        self.scrape_seconds = max((_seconds(target.scrape_interval) for target in ours), default=15.0)
        return [_scraped(target, self.url) for target in ours]

    def values(self, query: str, start: float, end: float, step_seconds: float) -> list[Point]:
        """A range query: the values of its first series.

        Args:
            query: PromQL.
            start: Unix time of the first value.
            end: of the last one.
            step_seconds: between two values.

        Raises:
            NodeError: it does not answer, or refuses the query.
        """
        given = {"query": query, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step_seconds:.3f}"}
        result = self._reply(f"/api/v1/query_range?{urllib.parse.urlencode(given)}", _Matrix).result
        points = ((time, _number(text)) for time, text in (result[0].values if result else ()))
        return [Point(time, value) for time, value in points if value is not None]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _seconds(text: str) -> float:
    """A duration of Prometheus such as 1m30s; 15 s for one that is missing or odd."""
    units = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    total, rest = 0.0, text
    while rest:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        rest = rest[len(digits) :]
        unit = next((unit for unit in ("ms", "s", "m", "h", "d") if rest.startswith(unit)), "")
        if not digits or not unit or len(digits) > 9:
            return 15.0
        total, rest = total + int(digits) * units[unit], rest[len(unit) :]
    return total or 15.0


def _scraped(target: _Target, where: str) -> Endpoint:
    url, question, query = target.scrape_url.partition("?")
    try:
        found = parse_url(url)
    except UsageError as error:
        raise UsageError(error.what, where=where) from None
    name = name_of(target.labels.get("instance", ""))
    return found._replace(path=(found.path or "/") + question + query, name="" if name == found.address else name)


def matcher(endpoint: Endpoint | None) -> str:
    """The PromQL matchers of a node's series; ``None``: of all nodes."""
    if endpoint is None:
        return f'job="{JOB}"'
    name = (endpoint.name or endpoint.address).replace("\\", "\\\\").replace('"', '\\"')
    return f'job="{JOB}",instance="{name}"'


def queries(endpoint: Endpoint | None, window_seconds: float) -> Sequence[str]:
    """PromQL of utilization, executions and failures per second, the worst p99 in seconds, and device memory in use."""
    own, window = matcher(endpoint), f"{max(1, round(window_seconds))}s"
    return (
        f"avg(neuroncore_utilization_ratio{{{own}}})",
        f"sum(rate(execution_status_total{{{own}}}[{window}]))",
        f'sum(rate(execution_status_total{{{own},status_type!="completed"}}[{window}]))',
        f'max(execution_latency_seconds{{{own},percentile="p99"}})',
        f"sum(neuron_device_memory_used_bytes{{{own}}})",
    )
