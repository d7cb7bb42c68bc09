"""The results of ``neuron-sim run``: the counts of each process, and the summary of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from neuron_console.text import printable
from runtime_core.histogram import Histogram
from runtime_core.ranges import format_ranges


class ProcessResult(NamedTuple):
    """The counts of one process.

    Attributes:
        counts: executions by outcome, as in :class:`runtime_core.telemetry.snapshot.ExecutionCounts`.
        started_ns, ended_ns: CLOCK_MONOTONIC at its start, and at the end of its duration or of its last execution,
            whichever is later.
        latency, device_latency: (sum in ns, bucket -> count), see :class:`runtime_core.histogram.Histogram`.
        busy_ns: global core -> time that it was busy.
        late: executions that could not start at their time because all threads were busy.
    """

    tag: str
    pid: int
    models: tuple[str, ...]
    counts: dict[str, int]
    started_ns: int
    ended_ns: int
    latency: tuple[int, dict[int, int]]
    device_latency: tuple[int, dict[int, int]]
    busy_ns: dict[int, int]
    late: int


class ProcessSummary(NamedTuple):
    """One process of a run."""

    pid: int
    cores: tuple[int, ...]
    executions: int
    failures: Mapping[str, int]


class LostProcess(NamedTuple):
    """A process that ended without a result. Its executions are not in the summary."""

    number: int
    pid: int
    cores: tuple[int, ...]
    reason: str


class LoadSummary(NamedTuple):
    """Results of a run.

    Attributes:
        pid: the process that runs the application, or that started its processes.
        executions: successful ones; ``failures`` by status name.
        seconds: from the start to the end of the duration, or of the last execution if it ends later.
        p50_ms, p99_ms: latency as the callers saw it; ``None`` when nothing ran.
        device_p50_ms: modelled time on the device.
        core_utilization: global core -> share of the time it was busy, 0..1.
        late: executions that could not start at their time because all threads were busy.
        processes: the processes of a run with several; empty for one.
        lost_processes: processes that ended without a result.
    """

    tag: str
    pid: int
    cores: tuple[int, ...]
    models: tuple[str, ...]
    executions: int
    failures: Mapping[str, int]
    seconds: float
    throughput_per_second: float
    p50_ms: float | None
    p99_ms: float | None
    device_p50_ms: float | None
    core_utilization: Mapping[int, float]
    late: int
    numerics: bool
    processes: tuple[ProcessSummary, ...] = ()
    lost_processes: tuple[LostProcess, ...] = ()


def summarize(
    results: Sequence[ProcessResult], *, tag: str, pid: int, numerics: bool, lost: Sequence[LostProcess] = ()
) -> LoadSummary:
    """Return the summary of a run: sums of the counts of its processes, and quantiles of all latencies together.

    Args:
        results: result of each process; empty if all were lost.
        tag: tag of the application.
        pid: see :class:`LoadSummary`.
        numerics: whether results were computed.
        lost: the processes without a result.
    """
    counts: Counter[str] = Counter()
    busy_ns: Counter[int] = Counter()
    latency, device = Histogram(), Histogram()
    for result in results:
        counts.update(result.counts)
        busy_ns.update(result.busy_ns)
        latency, device = latency.plus(_histogram(result.latency)), device.plus(_histogram(result.device_latency))
    started_ns = min((result.started_ns for result in results), default=0)
    seconds = (max((result.ended_ns for result in results), default=0) - started_ns) / 1e9
    done = counts.pop("completed", 0)
    several = len(results) + len(lost) > 1
    return LoadSummary(
        tag,
        pid,
        tuple(sorted(busy_ns)),
        tuple(dict.fromkeys(name for result in results for name in result.models)),
        done,
        _failures(counts),
        seconds,
        done / seconds if seconds else 0.0,
        _milliseconds(latency.quantile_ns(0.5)),
        _milliseconds(latency.quantile_ns(0.99)),
        _milliseconds(device.quantile_ns(0.5)),
        {core: min(1.0, ns / 1e9 / seconds) if seconds else 0.0 for core, ns in sorted(busy_ns.items())},
        sum(result.late for result in results),
        numerics,
        tuple(_process(result) for result in results) if several else (),
        tuple(lost),
    )


def _process(result: ProcessResult) -> ProcessSummary:
    failures = _failures({name: count for name, count in result.counts.items() if name != "completed"})
    return ProcessSummary(result.pid, tuple(sorted(result.busy_ns)), result.counts.get("completed", 0), failures)


def _failures(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def _histogram(counted: tuple[int, dict[int, int]]) -> Histogram:
    sum_ns, buckets = counted
    return Histogram(buckets, sum_ns)


def _milliseconds(value_ns: float | None) -> float | None:
    return None if value_ns is None else round(value_ns / 1e6, 4)


def as_dict(summary: LoadSummary) -> dict[str, object]:
    """Return the summary for JSON; it lists processes only if there are several."""
    facts = summary._asdict()
    facts["core_utilization"] = {str(core): round(ratio, 6) for core, ratio in summary.core_utilization.items()}
    for name, processes in (("processes", summary.processes), ("lost_processes", summary.lost_processes)):
        facts[name] = [process._asdict() for process in processes]
        if not (summary.processes or summary.lost_processes):
            del facts[name]
    return facts


def format_summary(summary: LoadSummary) -> str:
    """Return the summary as text."""
    several = len(summary.processes) + len(summary.lost_processes)
    what = f"{several} processes, started by {summary.pid}" if several else f"pid {summary.pid}"
    cores = f" on NeuronCore(s) {format_ranges(summary.cores)}" if summary.cores else ""
    lines = [
        printable(f"{summary.tag} ({what}): {', '.join(summary.models) or 'nothing executed'}{cores}"),
        f"  executions   {summary.executions} completed in {summary.seconds:.2f} s, {_failed(summary.failures)}",
        f"  throughput   {summary.throughput_per_second:.1f}/s",
        f"  latency      p50 {_ms(summary.p50_ms)}   p99 {_ms(summary.p99_ms)}   on device p50 "
        f"{_ms(summary.device_p50_ms)}",
        "  utilization  " + "  ".join(f"nc{c} {r:.1%}" for c, r in summary.core_utilization.items()),
    ]
    for process in summary.processes:
        lines.append(
            f"  process      {process.pid} on NeuronCore(s) {format_ranges(process.cores)}: {process.executions} "
            f"completed, {_failed(process.failures)}"
        )
    for gone in summary.lost_processes:
        lines.append(f"  lost         {format_lost(gone)}; what it executed is not in this summary")
    if summary.late:
        lines.append(f"  late         {summary.late} executions started late because no thread was free: add --threads")
    if not summary.numerics:
        lines.append("  numerics     off: time and counters only, no results were computed")
    return "\n".join(lines)


def format_lost(process: LostProcess) -> str:
    """Describe a lost process in one phrase."""
    cores = f" on NeuronCore(s) {format_ranges(process.cores)}" if process.cores else ""
    return f"process {process.number} (pid {process.pid}){cores} {process.reason}"


def _failed(failures: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in failures.items()) or "none failed"


def _ms(value: float | None) -> str:
    return "N/A" if value is None else f"{value:.3f} ms"
