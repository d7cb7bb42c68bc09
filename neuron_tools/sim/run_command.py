"""``neuron-sim run``: an application process with a progress display and a summary."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

from neuron_console import exit_codes
from neuron_console.units import rounded
from neuron_tools.sim.load import Load, LoadPlan, LoadSummary, check_plan, neff_bytes, process_environment
from runtime_core.nrt import Runtime
from runtime_core.nrt.log import counting_repeats
from runtime_core.ranges import format_ranges


def run_application(plan: LoadPlan, *, as_json: bool) -> int:
    """Run the plan to its end, or to SIGINT or SIGTERM, and print the summary.

    Returns:
        The exit status: 1 when no execution succeeded.
    """
    check_plan(plan)
    # Executions already run in parallel, one per thread: BLAS threads would compete for the same vCPUs.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        # Cores first: do not compile before knowing that they are free.
        with counting_repeats(), Runtime(environment=process_environment(plan), numerics=plan.numerics) as runtime:
            load = Load(runtime, plan, _prepare(plan, quiet=as_json))
            before = load.start()
            _watch(load, plan, stopped, quiet=as_json or not sys.stderr.isatty())
            summary = load.summary(before, load.stop())
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    print(json.dumps(rounded(_as_dict(summary))) if as_json else format_summary(summary))
    return exit_codes.OK if summary.executions else exit_codes.FAILURE


def _prepare(plan: LoadPlan, *, quiet: bool) -> Iterator[bytes]:
    """Each model's NEFF when its turn comes: the bytes of one are gone before the next is read."""
    for path in plan.models:
        if path.suffix == ".onnx" and not quiet and sys.stderr.isatty():
            from rich.console import Console

            with Console(stderr=True).status(f"compiling {path.name}"):
                yield neff_bytes(path)
        else:
            yield neff_bytes(path)


def _watch(load: Load, plan: LoadPlan, stopped: threading.Event, *, quiet: bool) -> None:
    """Wait for the end, with a progress line on a terminal."""
    if quiet:
        while load.running and not stopped.wait(0.1):
            pass
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(", ".join(load.model_names), total=plan.seconds or None, figures="")
        started = last_time = time.monotonic()
        last_count = 0
        while load.running and not stopped.wait(0.25):
            own = load.now()
            now = time.monotonic()
            count = sum(own.executions) if own.executions is not None else 0
            p99_ns = own.total_latency.quantile_ns(0.99) if own.total_latency is not None else None
            p99 = "" if p99_ns is None else f"  p99 {p99_ns / 1e6:8.2f} ms"
            figures = f"{(count - last_count) / (now - last_time):9.1f}/s{p99}"
            progress.update(task, completed=now - started, figures=figures)
            last_count, last_time = count, now


def _as_dict(summary: LoadSummary) -> dict[str, object]:
    facts = summary._asdict()
    facts["core_utilization"] = {str(core): round(ratio, 6) for core, ratio in summary.core_utilization.items()}
    return facts


def format_summary(summary: LoadSummary) -> str:
    """The summary as text."""
    failures = ", ".join(f"{count} {name}" for name, count in summary.failures.items()) or "none failed"
    lines = [
        f"{summary.tag} (pid {summary.pid}): {', '.join(summary.models)} on NeuronCore(s) "
        f"{format_ranges(summary.cores)}",
        f"  executions   {summary.executions} completed in {summary.seconds:.2f} s, {failures}",
        f"  throughput   {summary.throughput_per_second:.1f}/s",
        f"  latency      p50 {_ms(summary.p50_ms)}   p99 {_ms(summary.p99_ms)}   on device p50 "
        f"{_ms(summary.device_p50_ms)}",
        "  utilization  " + "  ".join(f"nc{c} {r:.1%}" for c, r in summary.core_utilization.items()),
    ]
    if summary.late:
        lines.append(f"  late         {summary.late} executions started late because no thread was free: add --threads")
    if not summary.numerics:
        lines.append("  numerics     off: time and counters only, no results were computed")
    return "\n".join(lines)


def _ms(value: float | None) -> str:
    return "N/A" if value is None else f"{value:.3f} ms"
