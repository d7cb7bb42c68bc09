"""A virtual node's report and summary, as its neuron-monitor would serve them under ``/api/v1``.

What does not move is from the state's measured report; counts and utilization are those of the metrics page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from neuron_monitor import report as out
from neuron_monitor.api.summary import Problem, Summary
from neuron_monitor.prometheus.seen import ECC_EVENTS
from neuron_monitor.wire import encode_report
from neuron_tools.fleet.calibrate import Calibration
from neuron_tools.fleet.node import FleetNode, Reading
from runtime_core.decoding import prepare

_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

prepare(out.Report)


class _Series(NamedTuple):
    """A line of the page: its labels without the instance's, and its slot or its value."""

    labels: Mapping[str, str]
    slot: int | None
    value: float


_Index = Mapping[str, tuple[_Series, ...]]


def _index(made: Calibration) -> _Index:
    """The lines of a page by name."""
    slots = {line: slot for slot, line in enumerate(made.slots)}
    found: dict[str, list[_Series]] = {}
    for line, value in enumerate(made.values):
        name = made.text[4 * line].rpartition("\n")[2].rstrip("{")
        labels = dict(_LABEL.findall(made.text[4 * line + 2]))
        slot = slots.get(line)
        fixed = 0.0 if slot is not None or not value or line in made.boots else float(value)
        found.setdefault(name, []).append(_Series(labels, slot, fixed))
    return {name: tuple(series) for name, series in found.items()}


class NodeApi:
    """Makes the documents of nodes; what nodes of one state share is worked out once."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._known: dict[int, tuple[Calibration, _Index]] = {}

    def _index(self, made: Calibration) -> _Index:
        known = self._known.get(id(made))
        if known is None:
            known = self._known[id(made)] = made, _index(made)
        return known[1]

    def summary(self, node: FleetNode, at_ns: int, start_unix_seconds: float) -> bytes | None:
        """The summary at a time since the fleet's start; ``None``: the node is down."""
        reading = node.reading(at_ns)
        if reading is None:
            return None
        made, index = reading.calibration, self._index(reading.calibration)
        report = made.report
        executions = _by(index, reading, "execution_status_total", "status_type")
        ecc = _by(index, reading, "hardware_ecc_events_total", "event_type")
        return msgspec.json.encode(
            Summary(
                start_unix_seconds + at_ns / 1e9,
                "",
                _instance(report, node),
                report.neuron_hardware_info.neuron_device_count,
                len(report.neuron_runtime_data),
                len(_owned(report)),
                _cores(report, index, reading),
                sum(executions.values()),
                sum(executions.values()) - executions.get("completed", 0),
                _latency(report, "p50"),
                _latency(report, "p99"),
                _fixed(index, "neuron_device_memory_used_bytes"),
                _fixed(index, "neuron_device_memory_total_bytes"),
                _matching(ecc, "_corrected"),
                _matching(ecc, "uncorrected"),
                [Problem(problem.severity, problem.text, problem.runbook) for problem in made.problems],
            )
        )

    def report(self, node: FleetNode, at_ns: int) -> bytes | None:
        """The report of the period before a time since the fleet's start; ``None``: the node is down."""
        reading = node.reading(at_ns)
        if reading is None:
            return None
        made, index = reading.calibration, self._index(reading.calibration)
        # Deep: the records of the state stay as they are.
        report = msgspec.convert(msgspec.to_builtins(made.report), out.Report)
        report.instance_info = _instance(report, node)
        counted = _Counted(index, reading)
        tags = [entry.neuron_runtime_tag for entry in report.neuron_runtime_data]
        for place, entry in enumerate(report.neuron_runtime_data):
            share = tags[:place].count(entry.neuron_runtime_tag), tags.count(entry.neuron_runtime_tag)
            _fill(entry, counted, share, reading.period_seconds)
        system = report.system_data
        if system.neuron_hw_counters is not UNSET:
            system.neuron_hw_counters.period = reading.period_seconds
            for device in system.neuron_hw_counters.neuron_devices:
                for event in ECC_EVENTS:
                    key = event, str(device.neuron_device_index)
                    setattr(device, event, counted.ecc.get(key, getattr(device, event)))
        for group in (system.vcpu_usage, system.memory_info):
            if group is not UNSET:
                group.period = reading.period_seconds
        return encode_report(report)


class _Counted:
    """What was counted in the period, and the cores' utilization, by tag."""

    def __init__(self, index: _Index, reading: Reading) -> None:
        def grown(name: str, *labels: str) -> dict[tuple[str, ...], int]:
            return {
                tuple(series.labels[label] for label in labels): reading.grown(series.slot)
                for series in index.get(name, ())
                if series.slot is not None
            }

        self.executions = grown("execution_status_total", "runtime_tag", "status_type")
        self.errors = grown("execution_errors_total", "runtime_tag", "error_type")
        self.ecc = grown("hardware_ecc_events_total", "event_type", "neuron_device_index")
        self.utilization = {
            (series.labels["runtime_tag"], series.labels["neuroncore"]): _value(series, reading)
            for series in index.get("neuroncore_utilization_ratio", ())
        }


def _fill(entry: out.RuntimeData, counted: _Counted, share: tuple[int, int], period_seconds: float) -> None:
    """Set the figures of the period; processes of one tag share what is counted for it."""
    groups, tag = entry.report, entry.neuron_runtime_tag
    if groups.neuroncore_counters is not UNSET:
        groups.neuroncore_counters.period = period_seconds
        for core, figures in groups.neuroncore_counters.neuroncores_in_use.items():
            ratio = counted.utilization.get((tag, core))
            before = figures.neuroncore_utilization
            if ratio is not None and before is not None:
                if figures.flops is not None and before:
                    figures.flops = round(figures.flops * ratio * 100 / before)
                figures.neuroncore_utilization = min(100.0, ratio * 100)
    stats = groups.execution_stats
    if stats is not UNSET:
        stats.period = period_seconds
        for record, counts in ((stats.execution_summary, counted.executions), (stats.error_summary, counted.errors)):
            for name in record.__struct_fields__ if record is not None else ():
                count = counts.get((tag, name))
                if count is not None:
                    place, of = share
                    setattr(record, name, count // of + (place < count % of))
    for group in (groups.memory_used, groups.neuron_runtime_vcpu_usage):
        if group is not UNSET:
            group.period = period_seconds


def _instance(report: out.Report, node: FleetNode) -> out.InstanceInfo:
    labels = dict(_LABEL.findall(node.labels))
    return msgspec.structs.replace(
        report.instance_info,
        instance_name=labels["instance_name"],
        instance_id=labels["instance_id"],
        instance_type=labels["instance_type"],
        instance_availability_zone=labels["availability_zone"],
        instance_region=labels["region"],
        subnet_id=labels["subnet_id"],
    )


def _owned(report: out.Report) -> set[str]:
    groups = (entry.report.neuroncore_counters for entry in report.neuron_runtime_data)
    return {core for group in groups if group is not UNSET for core in group.neuroncores_in_use}


def _cores(report: out.Report, index: _Index, reading: Reading) -> list[float | None]:
    hardware = report.neuron_hardware_info
    busy: dict[str, float] = {}
    for series in index.get("neuroncore_utilization_ratio", ()):
        core = series.labels["neuroncore"]
        busy[core] = busy.get(core, 0.0) + _value(series, reading)
    owned = _owned(report)
    every = map(str, range((hardware.neuron_device_count or 0) * (hardware.neuroncore_per_device_count or 0)))
    return [min(1.0, round(busy[core], 4)) if core in busy else None if core in owned else 0.0 for core in every]


def _latency(report: out.Report, percentile: str) -> float | None:
    groups = (entry.report.execution_stats for entry in report.neuron_runtime_data)
    latencies = (group.latency_stats.total_latency for group in groups if group is not UNSET)
    values = (getattr(latency, percentile) for latency in latencies if latency is not None)
    return max((value for value in values if value is not None), default=None)


def _value(series: _Series, reading: Reading) -> float:
    return series.value if series.slot is None else float(reading.values[series.slot])


def _by(index: _Index, reading: Reading, name: str, label: str) -> dict[str, int]:
    """Counts by a label."""
    found: dict[str, int] = {}
    for series in index.get(name, ()):
        kind = series.labels[label]
        found[kind] = found.get(kind, 0) + int(_value(series, reading) + 1e-6)
    return found


def _fixed(index: _Index, name: str) -> int | None:
    return round(sum(series.value for series in index[name])) if name in index else None


def _matching(counts: Mapping[str, int], ending: str) -> int | None:
    return _sum(count for event, count in counts.items() if event.endswith(ending))


def _sum(values: Iterable[int]) -> int | None:
    known = list(values)
    return sum(known) if known else None
