"""Plot throughput against latency, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from neuron_console.extras import requires
from neuron_console.palette import CALM, DEEP_BLUE, GOOD, PINK, WARNING
from neuron_tools.bench.result import Result

_MARKERS = "osD^vP*X"
_COLOURS = (DEEP_BLUE, WARNING, GOOD, PINK, CALM, "#000000")
"""The palette of the suite, without vermilion, which is for faults, and yellow, which is hard to see on white."""


def save_figure(path: Path, model: str, results: Sequence[Result]) -> None:
    """Write the figure: a line for each placement (size, cores, pipeline), a point for each batch.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    with requires("plot"):
        import matplotlib as mpl
        from matplotlib.figure import Figure
    lines: dict[tuple[str, int, int, int, int], list[Result]] = {}
    for r in results:
        if r.p99_ms is not None and r.p50_ms is not None:
            lines.setdefault((r.instance_type, r.cores, r.pipeline, r.models, r.workers), []).append(r)
    # Text is not converted to paths, and equal results give an equal file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "neuron-bench"}):
        figure = Figure(figsize=(8, 5), layout="constrained")
        axes = figure.add_subplot()
        for number, (place, points) in enumerate(lines.items()):
            size, cores, pipeline, models, workers = place
            label = f"{size}: {models} x {workers} workers on {cores} cores"
            label += f", pipeline of {pipeline}" if pipeline > 1 else ""
            latency = [r.p50_ms or 0.0 for r in points]
            late = [(r.p99_ms or 0.0) - (r.p50_ms or 0.0) for r in points]
            throughput = [r.throughput_per_second or 0.0 for r in points]
            axes.errorbar(
                latency,
                throughput,
                xerr=[[0.0] * len(late), late],
                marker=_MARKERS[number % len(_MARKERS)],
                capsize=3,
                color=_COLOURS[number % len(_COLOURS)],
                label=label,
            )
            for r, x, y in zip(points, latency, throughput, strict=True):
                axes.annotate(f"{r.batch}", (x, y), textcoords="offset points", xytext=(5, 5), fontsize=8)
        axes.set_xlabel("latency in ms: p50, whisker to p99")
        axes.set_ylabel("throughput in samples per second")
        axes.set_title(f"{model}: the numbers at the points are batch sizes")
        axes.set_xlim(left=0)
        axes.margins(y=0.08)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        if lines:
            axes.legend(fontsize=8)
        figure.savefig(path, format="svg", metadata={"Date": None})
