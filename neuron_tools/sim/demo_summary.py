"""The texts of ``neuron-sim demo``: introduction, commands to try, and a summary of neuron-monitor's reports."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from neuron_console.text import columns
from neuron_console.units import NOT_AVAILABLE, format_bytes, format_latency
from runtime_core.ranges import format_ranges

Report: TypeAlias = Mapping[str, object]

REMOVED = "The node, its applications and their files were removed. Nothing is left."

TRIES = (
    ("neuron-sim fault inject core-hang --core 9 --for 60", "the health line names the hung core; ! goes to it"),
    ("neuron-ls", "which process owns which core"),
    ("neuron-monitor --prometheus", "the metrics, on http://127.0.0.1:8000/metrics"),
)
"""For a second terminal while the demo runs."""

NEXT_STEPS = (
    ("neuron-sim up", "set up a node of your own"),
    ("neuron-sim run MODEL.onnx", "put load on it"),
    ("neuron-top", "watch it live"),
    ("neuron-monitor --prometheus", "serve its metrics on http://127.0.0.1:8000/metrics"),
    ("neuron-sim scenario run core-hung", "rehearse an incident against the alert rules"),
)

_HEADINGS = ("application", "cores", "busy", "executions/s", "p50", "p99", "errors", "device memory")


def _at(value: object, *path: str) -> object:
    """The value under nested keys; ``None`` if one is missing."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _runtimes(report: Report) -> Iterator[tuple[str, object]]:
    entries = report.get("neuron_runtime_data")
    for entry in entries if isinstance(entries, list) else ():
        yield str(_at(entry, "neuron_runtime_tag")), _at(entry, "report")


def _row(tag: str, reports: Sequence[object]) -> tuple[str, ...]:
    """An application over all reports: rates and errors of the whole time, other figures of the last report."""
    last = reports[-1]
    cores = _at(last, "neuroncore_counters", "neuroncores_in_use")
    busy = [_number(_at(core, "neuroncore_utilization")) for core in cores.values()] if isinstance(cores, dict) else []
    known = [figure for figure in busy if figure is not None]
    seconds = sum(_number(_at(r, "execution_stats", "period")) or 0.0 for r in reports)
    outcomes = [_at(r, "execution_stats", "execution_summary") for r in reports]
    completed = sum(_number(_at(o, "completed")) or 0.0 for o in outcomes)
    failed = sum(_number(n) or 0.0 for o in outcomes if isinstance(o, dict) for k, n in o.items() if k != "completed")
    latency = [_number(_at(last, "execution_stats", "latency_stats", "total_latency", p)) for p in ("p50", "p99")]
    memory = _number(_at(last, "memory_used", "neuron_runtime_used_bytes", "neuron_device"))
    return (
        tag,
        format_ranges(map(int, cores)) if isinstance(cores, dict) else NOT_AVAILABLE,
        f"{sum(known) / len(known):.0f} %" if known else NOT_AVAILABLE,
        f"{completed / seconds:.0f}" if seconds else NOT_AVAILABLE,
        *(format_latency(None if figure is None else figure * 1e9) for figure in latency),
        f"{failed:.0f}",
        format_bytes(None if memory is None else round(memory)),
    )


def summary(lines: Sequence[str]) -> str:
    """Summarize neuron-monitor's reports, one JSON object per line.

    Raises:
        json.JSONDecodeError: a line is not JSON.
    """
    by_tag: dict[str, list[object]] = {}
    for line in lines:
        for tag, report in _runtimes(json.loads(line)):
            by_tag.setdefault(tag, []).append(report)
    rows = [_row(tag, reports) for tag, reports in sorted(by_tag.items())]
    table = columns(_HEADINGS, rows)
    width = max(len(command) for command, _ in NEXT_STEPS)
    steps = [f"  {command:<{width}}  {purpose}" for command, purpose in NEXT_STEPS]
    head = f"{len(lines)} reports of neuron-monitor, {len(by_tag)} applications on one inf1.6xlarge:"
    return "\n".join([head, "", *table, "", REMOVED, "Next:", *steps])


def introduction(applications: Sequence[str]) -> str:
    """Return the introduction; ``applications``: a line for each."""
    head = f"A simulated inf1.6xlarge (4 Neuron Devices, 16 NeuronCores) runs {len(applications)} applications:"
    return "\n".join([head, *(f"  {line}" for line in applications)])


def invitation(node: str) -> str:
    """Return commands to try in a second terminal; ``node``: the node's directory."""
    width = max(len(command) for command, _ in TRIES)
    tries = [f"  {command:<{width}}  # {purpose}" for command, purpose in TRIES]
    return "\n".join(["In a second terminal, try:", f"  export NEURON_SIM_ROOT={node} NEURON_SOURCE=sim", *tries])
