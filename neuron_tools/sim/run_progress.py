"""The progress lines of ``neuron-sim run``."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from neuron_console.text import printable
from neuron_tools.sim.load import neff_bytes
from runtime_core.histogram import Histogram
from runtime_core.telemetry.snapshot import Runtime as RuntimeSnapshot


def watch(
    title: str,
    seconds: float,
    stopped: threading.Event,
    *,
    running: Callable[[], bool],
    look: Callable[[], Iterable[RuntimeSnapshot]],
    quiet: bool,
) -> None:
    """Wait for the end of a run, or for ``stopped``, with a progress line on a terminal.

    Args:
        title: title of the line.
        seconds: duration of the run; 0: unlimited.
        stopped: event that stops the run.
        running: returns whether the run has not ended.
        look: returns the counters of its processes, as viewers show them.
        quiet: show nothing.
    """
    if quiet or not sys.stderr.isatty():
        while running() and not stopped.wait(0.1):
            pass
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(printable(title), total=seconds or None, figures="")
        started = last_time = time.monotonic()
        last_count = 0
        while running() and not stopped.wait(0.25):
            count, latency = 0, Histogram()
            for runtime in look():
                count += sum(runtime.executions) if runtime.executions is not None else 0
                latency = latency.plus(runtime.total_latency or Histogram())
            now = time.monotonic()
            p99_ns = latency.quantile_ns(0.99)
            p99 = "" if p99_ns is None else f"  p99 {p99_ns / 1e6:8.2f} ms"
            figures = f"{max(0, count - last_count) / (now - last_time):9.1f}/s{p99}"
            progress.update(task, completed=now - started, figures=figures)
            last_count, last_time = count, now


def prepared(path: Path, *, quiet: bool) -> bytes:
    """Return the NEFF of a model file, with a progress line on a terminal while it is compiled."""
    if path.suffix == ".onnx" and not quiet and sys.stderr.isatty():
        from rich.console import Console
        from rich.text import Text

        with Console(stderr=True).status(Text(printable(f"compiling {path.name}"))):
            return neff_bytes(path)
    return neff_bytes(path)
