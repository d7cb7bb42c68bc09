"""The plots of a run as SVG, to stand inside the report."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dashboards.objectives import LATENCY_OBJECTIVE_SECONDS, SUCCESS_OBJECTIVE_RATIO
from neuron_console.extras import requires
from neuron_console.palette import CALM, DEEP_BLUE, FAULT, GOOD, PINK, WARNING
from neuron_tools.fleet.run.outcome import Firing, Outcome, TagOutcome
from neuron_tools.fleet.run.spec import RunSpec
from neuron_tools.scenario.promql.functions import histogram_quantile
from neuron_tools.scenario.promql.series import Sample

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = (DEEP_BLUE, GOOD, WARNING, PINK, CALM, "#000000")
_MOST_LINES = 12
_NAN = math.nan


class Plot(NamedTuple):
    """A plot: lines over the run by name, and a limit that is drawn dashed."""

    title: str
    unit: str
    lines: Mapping[str, Sequence[float]]
    limit: float | None = None


def plots_of(spec: RunSpec, outcome: Outcome, firings: Sequence[Firing]) -> list[Plot]:
    """What a report shows."""
    point_seconds = spec.point_steps * spec.step_seconds
    return [
        Plot("Executions", "per second", {
            tag: [count / point_seconds for count in found.executions] for tag, found in outcome.tags.items()
        }),
        Plot("Executions that fail", "share", {
            tag: _ratios(found.failed, found.executions) for tag, found in outcome.tags.items()
        }, 1 - SUCCESS_OBJECTIVE_RATIO),
        Plot("Latency, p99", "seconds", {tag: _p99(found) for tag, found in outcome.tags.items()},
             LATENCY_OBJECTIVE_SECONDS),
        Plot("Utilization of owned cores", "share", {
            name: _ratios(group.utilization_sum, group.utilization_count) for name, group in outcome.groups.items()
        }),
        Plot("Nodes that answer", "share", {
            name: _ratios(group.answered, group.scrapes) for name, group in outcome.groups.items()
        }),
        Plot("Alerts that fire", "alerts", _alerts(spec, firings, point_seconds)),
    ]  # fmt: skip


def _ratios(parts: Sequence[float], wholes: Sequence[float]) -> list[float]:
    return [part / whole if whole else _NAN for part, whole in zip(parts, wholes, strict=True)]


def _p99(found: TagOutcome) -> list[float]:
    names = ["+Inf" if bound is None else str(bound) for bound in found.bounds_seconds]
    points = []
    for counts in zip(*found.buckets, strict=True):
        samples = [Sample((("le", name),), count) for name, count in zip(names, counts, strict=True)]
        points.append(histogram_quantile(0.99, samples)[0].value)
    return points


def _alerts(spec: RunSpec, firings: Sequence[Firing], point_seconds: int) -> dict[str, list[float]]:
    """Of each alert, for how many series it fires on average."""
    found: dict[str, list[float]] = {}
    for firing in firings:
        points = found.setdefault(firing.alert, [0.0] * spec.points)
        end = spec.seconds if firing.until_seconds is None else firing.until_seconds
        for point in range(int(firing.since_seconds // point_seconds), spec.points):
            first = point * point_seconds
            share = min(end, first + point_seconds) - max(firing.since_seconds, first)
            if share <= 0:
                break
            points[point] += share / point_seconds
    return dict(sorted(found.items()))


def svg_of(spec: RunSpec, plot: Plot) -> str:
    """A plot as an ``svg`` element.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with requires("plot"):
        import matplotlib as mpl
        from matplotlib.figure import Figure
    # Equal results give equal bytes; names of one plot's parts are not those of another's.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": plot.title}):
        figure = Figure(figsize=(8, 2.8), layout="constrained")
        _draw(figure.add_subplot(), spec, plot)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Title": plot.title})
    return re.sub(r"(?s)^.*?(?=<svg)", "", out.getvalue())


def _draw(axes: Axes, spec: RunSpec, plot: Plot) -> None:
    unit_seconds, unit = (86400, "days") if spec.seconds > 2 * 86400 else (3600, "hours")
    times = [(point + 0.5) * spec.point_steps * spec.step_seconds / unit_seconds for point in range(spec.points)]
    for number, (name, values) in enumerate(list(plot.lines.items())[:_MOST_LINES]):
        colour = _COLOURS[number % len(_COLOURS)]
        axes.plot(times, values, label=name, color=colour, linewidth=1.2, marker="." if len(times) < 3 else "")
    if plot.limit is not None:
        axes.axhline(plot.limit, color=FAULT, linestyle="--", linewidth=0.8)
    axes.set_title(plot.title, loc="left", fontsize=10)
    axes.set_ylabel(plot.unit)
    axes.set_xlabel(f"{unit} since the start")
    axes.set_xlim(0, spec.seconds / unit_seconds)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    if plot.lines:
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
