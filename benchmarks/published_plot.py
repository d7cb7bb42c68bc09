"""The plot of predicted against published figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.published import Published
from runtime_core.engine.timing.parameters import INTERVAL_RATIO

Prediction = tuple[Published, str, float, float]
"""Row, figure, prediction and published value."""

_PLOT = Path("docs/images/published.svg")


def save_plot(fitted: Sequence[Prediction], unseen: Sequence[Prediction]) -> None:
    """Plot predicted against published figures, for the fit of all rows and for each network left out."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as Plot

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "published"}):
        plot = Plot(figsize=(10, 5), layout="constrained")
        for place, (what, unit) in enumerate((("throughput", "samples per second"), ("p50", "ms")), 1):
            axes = plot.add_subplot(1, 2, place)
            ends = [v for _, w, predicted, published in (*fitted, *unseen) if w == what for v in (predicted, published)]
            low, high = 0.8 * min(ends), 1.25 * max(ends)
            axes.plot([low, high], [low, high], color="grey", linewidth=1)
            lower, upper = ([end * (1 + sign * INTERVAL_RATIO) for end in (low, high)] for sign in (-1, 1))
            axes.fill_between([low, high], lower, upper, color="grey", alpha=0.15, label=f"± {INTERVAL_RATIO:.0%}")
            for points, marker, label in ((fitted, "o", "all rows fitted"), (unseen, "x", "network left out")):
                chosen = [(published, predicted) for _, w, predicted, published in points if w == what]
                axes.scatter(*zip(*chosen, strict=True), marker=marker, label=label)
            axes.set(xscale="log", yscale="log", xlabel=f"published {what}, {unit}", ylabel=f"predicted {what}, {unit}")
            axes.legend()
        _PLOT.parent.mkdir(parents=True, exist_ok=True)
        plot.savefig(_PLOT, format="svg", metadata={"Date": None})
