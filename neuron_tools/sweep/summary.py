"""The summary of a sweep's results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from neuron_console.text import columns
from neuron_console.units import rounded
from neuron_tools.sweep.store import Line
from runtime_core.ranges import format_ranges

_SHOWN_ERRORS = 5


class Summary(NamedTuple):
    """Lines for a terminal, facts for programs, and whether every job succeeded and met its expectations."""

    lines: list[str]
    facts: dict[str, Any]
    good: bool


_Results = Sequence[tuple[Mapping[str, Any], dict[str, Any]]]
"""Labels and results of the jobs that have a result."""


def summary_of(kind: str, lines: Sequence[Line]) -> Summary:
    """Summarize the lines of a sweep."""
    results = [(line.label, msgspec.json.decode(line.result)) for line in lines if not line.error]
    failed = [line for line in lines if line.error]
    made = _KINDS[kind](results)
    shown = [f"{_label(line.label)}: {line.error}" for line in failed[:_SHOWN_ERRORS]]
    if len(failed) > _SHOWN_ERRORS:
        shown.append(f"{len(failed) - _SHOWN_ERRORS} more jobs failed")
    facts = {**made.facts, "errors": [{"label": dict(line.label), "error": line.error} for line in failed]}
    shortened: Any = rounded(facts)
    return Summary([*made.lines, *shown], shortened, made.good and not failed)


def _label(label: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in label.items() if value is not None)


def _seeds(labels: Sequence[Mapping[str, Any]]) -> str:
    return format_ranges(sorted(label["seed"] for label in labels)) or "none"


def _spread(values: Sequence[float | None]) -> dict[str, float | None]:
    """Minimum, median and maximum of the known values."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return {"min": None, "median": None, "max": None}
    middle = (known[(len(known) - 1) // 2] + known[len(known) // 2]) / 2
    return {"min": known[0], "median": middle, "max": known[-1]}


def _row(name: str, spread: Mapping[str, float | None], show: Callable[[float], str]) -> tuple[str, ...]:
    return name, *("N/A" if value is None else show(value) for value in spread.values())


def _scenarios(results: _Results) -> Summary:
    unmet = [label for label, result in results if not result["met"]]
    rows, figures = [], {}
    for tag in dict.fromkeys(one["tag"] for _, result in results for one in result["applications"]):
        mine = [one for _, result in results for one in result["applications"] if one["tag"] == tag]
        figures[tag] = {
            name: _spread([one[name] for one in mine]) for name in ("completed", "failed", "p50_seconds", "p99_seconds")
        }
        for name, spread in figures[tag].items():
            seconds = name.endswith("seconds")
            shown = f"{tag} {name.removesuffix('_seconds')}"
            rows.append(_row(shown, spread, (lambda v: f"{v * 1e3:.3f} ms") if seconds else (lambda v: f"{v:g}")))
    broken: dict[str, list[Mapping[str, Any]]] = {}
    for label, result in results:
        for verdict in result["verdicts"]:
            if not verdict["met"]:
                broken.setdefault(verdict["expectation"], []).append(label)
    lines = [f"{len(results)} seeds, {len(unmet)} with expectations that were not met"]
    lines += [f"  {expectation}: seeds {_seeds(labels)}" for expectation, labels in broken.items()]
    lines += ["", *columns(("FIGURE", "LEAST", "MEDIAN", "GREATEST"), rows)] if rows else []
    facts = {
        "met": len(results) - len(unmet),
        "unmet": {expectation: [label["seed"] for label in labels] for expectation, labels in broken.items()},
        "applications": figures,
    }
    return Summary(lines, facts, not unmet)


def _searches(results: _Results) -> Summary:
    found = [(label, result["failure"]) for label, result in results if result["failure"] is not None]
    lines = [f"{len(results)} seeds, {len(found)} break an invariant"]
    lines += [f"  seed {label['seed']}: {failure['invariant']}: {failure['what']}" for label, failure in found]
    facts = {"failures": [{"seed": label["seed"], **failure} for label, failure in found]}
    return Summary(lines, facts, not found)


def _fleets(results: _Results) -> Summary:
    rows = [
        (
            _label(label), "met" if result["met"] else "NOT MET", f"{result['availability_ratio']:.4%}",
            f"${result['cost']['usd']:,.2f}", str(sum(alert["fired"] for alert in result["alerts"])),
        )
        for label, result in results
    ]  # fmt: skip
    facts = {"runs": [{**label, "met": result["met"], "verdicts": result["verdicts"]} for label, result in results]}
    lines = columns(("RUN", "VERDICT", "AVAILABLE", "COST", "ALERTS"), rows) if rows else []
    return Summary(lines, facts, all(result["met"] for _, result in results))


def _benches(results: _Results) -> Summary:
    rows = [
        (
            *(str(label[name]) for name in ("instance_type", "batch", "pipeline", "cores", "models", "workers")),
            *(
                "N/A" if (value := result[name]) is None else f"{value:.{digits}f}"
                for name, digits in (("throughput_per_second", 1), ("p99_ms", 3), ("cost_per_million_usd", 4))
            ),
        )
        for label, result in results
    ]  # fmt: skip
    headings = ("SIZE", "BATCH", "PIPE", "CORES", "MODELS", "WORKERS", "SAMPLES/S", "P99 MS", "$/MILLION")
    return Summary(columns(headings, rows) if rows else [], {"results": [result for _, result in results]}, True)


def _advices(results: _Results) -> Summary:
    rows = []
    for label, result in results:
        best = result["best"]
        shown = ("no setup serves it", "", "") if best is None else (
            f"{best['instances']} x {best['instance_type']}",
            f"batch {best['batch']}, pipeline {best['pipeline']}, {best['cores']} cores",
            f"{best['price_usd_per_hour']:.3f}",
        )  # fmt: skip
        rows.append((_label(label), *shown))
    facts = {"advice": [{**label, "best": result["best"]} for label, result in results]}
    lines = columns(("DEMAND", "CHEAPEST", "SETUP", "$/HOUR"), rows) if rows else []
    return Summary(lines, facts, all(result["best"] is not None for _, result in results))


_KINDS: dict[str, Callable[[_Results], Summary]] = {
    "scenario": _scenarios,
    "search": _searches,
    "fleet": _fleets,
    "bench": _benches,
    "advise": _advices,
}
