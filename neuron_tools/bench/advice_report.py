"""Print advice as JSON and as tables: the cheapest setup, the runner-up, and batching compared with pipelining."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import msgspec
from rich.console import Console
from rich.table import Table

from neuron_console.text import printable
from neuron_console.units import rounded
from neuron_tools.bench.advise import Advice, Finding
from neuron_tools.bench.demand import Demand
from neuron_tools.bench.report import milliseconds
from runtime_core.instance import instance_type


def serving(found: Sequence[Advice]) -> list[Advice]:
    """Return the cheapest setup that serves the demand and the runner-up, as far as they exist."""
    return [advice for advice in found if advice.finding is Finding.SERVES][:2]


def as_json(model: str, demand: Demand, found: Sequence[Advice]) -> str:
    """Return one JSON object; ``best`` and ``runner_up`` are null if they do not exist."""
    best, runner_up = (*serving(found), None, None)[:2]
    facts = {
        "model": model,
        "rate_per_second": demand.rate_per_second,
        "p99_limit_ms": demand.p99_ns / 1e6,
        "margin_ratio": demand.margin,
        "best": best,
        "runner_up": runner_up,
        "considered": found,
    }
    return json.dumps(rounded(msgspec.to_builtins(facts)))


def print_advice(model: str, demand: Demand, found: Sequence[Advice], console: Console) -> None:
    """Print the two best setups, and the other setups considered for the size of the best."""
    wanted = f"{demand.rate_per_second:g} samples/s, 99 % within {demand.p99_ns / 1e6:g} ms"
    wanted += f" (times + {demand.margin:.0%})" if demand.margin else ""
    best = serving(found)
    if not best:
        console.print(f"{printable(model)}: no setup serves {wanted}", markup=False, highlight=False)
    else:
        console.print(f"{printable(model)}: {wanted}", markup=False, highlight=False)
        console.print(_best_table(best))
    shown = best[0] if best else max(found, key=lambda a: a.price_usd_per_hour)
    same = [a for a in found if (a.instance_type, a.instances) == (shown.instance_type, shown.instances)]
    console.print()
    console.print(f"Batching against pipelining on {_instances(shown)}: the fewest cores that serve, and their p99")
    console.print(_grid(same))
    console.print(
        "Other cells: p99 with all cores; too slow: a single execution; "
        "fills late: the wait until a batch is full; too little: cores or vCPUs"
    )


def _instances(advice: Advice) -> str:
    return advice.instance_type if advice.instances == 1 else f"{advice.instances} x {advice.instance_type}"


def _best_table(best: Sequence[Advice]) -> Table:
    """Return a table with a column per setup and a row per figure."""
    table = Table(box=None, pad_edge=False, show_header=True, header_style="bold")
    table.add_column("")
    for heading, _ in zip(("cheapest", "runner-up"), best, strict=False):
        table.add_column(heading, justify="right")
    rows: tuple[tuple[str, Callable[[Advice], str]], ...] = (
        ("instance", _instances),
        ("batch", lambda a: str(a.batch)),
        ("pipeline", lambda a: "none" if a.pipeline == 1 else f"{a.pipeline} cores"),
        ("cores", lambda a: f"{a.cores} of {instance_type(a.instance_type).core_count}"),
        ("copies x workers", lambda a: f"{a.models} x {a.workers}"),
        ("p50", lambda a: f"{milliseconds(a.p50_ms)} ms"),
        ("p99", lambda a: f"{milliseconds(a.p99_ms)} ms"),
        ("busy", lambda a: "N/A" if a.utilization is None else f"{a.utilization:.1%}"),
        ("price", lambda a: f"${a.price_usd_per_hour:.3f} an hour"),
        ("a million samples", lambda a: "N/A" if a.cost_per_million_usd is None else f"${a.cost_per_million_usd:.4f}"),
    )
    for name, shown in rows:
        table.add_row(name, *(shown(advice) for advice in best))
    return table


def _grid(found: Sequence[Advice]) -> Table:
    """Return a table with a row per batch and a column per pipeline."""
    pipelines = sorted({a.pipeline for a in found})
    cells = {(a.batch, a.pipeline): _cell(a) for a in found}
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("batch", justify="right")
    for pipeline in pipelines:
        table.add_column("no pipeline" if pipeline == 1 else f"{pipeline} cores", justify="right")
    for batch in sorted({a.batch for a in found}):
        table.add_row(str(batch), *(cells.get((batch, pipeline), "") for pipeline in pipelines))
    return table


def _cell(advice: Advice) -> str:
    if advice.finding is Finding.SERVES:
        return f"{advice.cores}: {milliseconds(advice.p99_ms)} ms"
    if advice.finding is Finding.TOO_LATE:
        return f"[dim]{milliseconds(advice.p99_ms)} ms[/dim]"
    return f"[dim]{advice.finding.value}[/dim]"
