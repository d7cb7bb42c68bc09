"""Print results as a table with bars, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

import msgspec
from rich.bar import Bar
from rich.console import Console, RenderableType
from rich.table import Table

from neuron_console.text import printable
from neuron_console.units import rounded
from neuron_tools.bench.result import Result

_PLACE = {"instance_type": "size", "batch": "batch", "pipeline": "pipe", "cores": "cores", "models": "models",
          "workers": "workers", "client_batch": "request"}  # fmt: skip
"""Fields that distinguish setups, and their column titles."""
_UNSERVED = 0.02
"""Share of the due requests that may be missing from a served window, because some end slightly later."""
_WIDEST = 1000
_FIGURES = ("samples/s", "p50 ms", "p90 ms", "p99 ms", "busy", "vCPUs", "$/million")


def as_json(model: str, results: Sequence[Result]) -> str:
    """Return one JSON object with ``results[]``."""
    return json.dumps(rounded({"model": model, "results": msgspec.to_builtins(results)}))


def as_csv(results: Sequence[Result]) -> str:
    """Return a header and a line per result; figures that are not available are empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, Result.__struct_fields__, lineterminator="\n")
    writer.writeheader()
    for result in results:
        fields = msgspec.to_builtins(result)
        writer.writerow({name: "" if value is None else rounded(value) for name, value in fields.items()})
    return out.getvalue().rstrip("\n")


def print_report(model: str, results: Sequence[Result], console: Console) -> None:
    """Print the table, the chart and remarks. Values that all results share are in the title instead of a column."""
    varying = [name for name in _PLACE if len({getattr(result, name) for result in results}) > 1]
    console.print(_title(printable(model), results[0], varying), markup=False, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in (*(_PLACE[name] for name in varying), *_FIGURES):
        table.add_column(column, justify="left" if column == "size" else "right")
    for result in results:
        table.add_row(*(str(getattr(result, name)) for name in varying), *_figures(result))
    # On a narrow terminal, lines that are too long are better than missing digits.
    fits = console.measure(table, options=console.options.update(width=_WIDEST)).maximum
    console.width = max(console.width, fits)
    console.print(table)
    if len(results) > 1:
        console.print()
        console.print(_chart(results, varying))
    for line in _remarks(results):
        console.print(line, highlight=False)


def _title(model: str, result: Result, varying: Sequence[str]) -> str:
    said = {
        "instance_type": result.instance_type,
        "batch": f"batch {result.batch}",
        "pipeline": f"pipeline of {result.pipeline}" if result.pipeline > 1 else "no pipeline",
        "cores": _count(result.cores, "core"),
        "models": _count(result.models, "copy", "copies"),
        "workers": _count(result.workers, "call") + " in flight"
        if result.data_parallel
        else f"{_count(result.workers, 'worker')} each",
        "client_batch": f"requests of {result.client_batch}" + (", data parallel" if result.data_parallel else ""),
    }
    if result.client_batch == result.batch:
        del said["client_batch"]
    load = "back to back" if result.rate_per_second is None else f"{result.rate_per_second:g} samples/s offered"
    same = [text for name, text in said.items() if name not in varying]
    return f"{model}: {', '.join([*same, load, f'{result.clock.value} clock'])}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def milliseconds(value: float | None) -> str:
    """Format with three significant digits; ``N/A`` if nothing ran."""
    if value is None:
        return "N/A"
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}" if value >= 10 else f"{value:.3f}"


def _figures(result: Result) -> list[str]:
    cost = result.cost_per_million_usd
    return [
        "N/A"
        if result.throughput_per_second is None
        else f"{result.throughput_per_second:.1f} ± {result.interval_ratio:.0%}",
        *(milliseconds(value) for value in (result.p50_ms, result.p90_ms, result.p99_ms)),
        f"{result.utilization:.1%}",
        "N/A" if result.vcpu_utilization is None else f"{result.vcpu_utilization:.1%}",
        "N/A" if cost is None else f"{cost:.4f}",
    ]


def _chart(results: Sequence[Result], varying: Sequence[str]) -> RenderableType:
    """Return a bar of throughput and a bar of latency for each result."""
    fastest = max(result.throughput_per_second or 0.0 for result in results) or 1.0
    slowest = max(result.p99_ms or 0.0 for result in results) or 1.0
    chart = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for name in varying:
        chart.add_column(_PLACE[name], justify="left" if name == "instance_type" else "right")
    chart.add_column("samples/s", ratio=1)
    chart.add_column("p99", ratio=1)
    for result in results:
        chart.add_row(
            *(str(getattr(result, name)) for name in varying),
            Bar(fastest, 0, result.throughput_per_second or 0.0, color="green"),
            Bar(slowest, 0, result.p99_ms or 0.0, color="yellow"),
        )
    return chart


def _missed_requests(result: Result) -> bool:
    """Whether fewer requests ended than were due, by more than the one that a window may cut off."""
    if result.rate_per_second is None:
        return False
    due = result.rate_per_second * result.seconds / result.client_batch
    ended = (result.throughput_per_second or 0.0) * result.seconds / result.client_batch
    return due - ended > max(1.0, _UNSERVED * due)


def _remarks(results: Sequence[Result]) -> list[str]:
    lines = []
    cpu = [r.load_generator_cpu_ratio for r in results if r.load_generator_cpu_ratio is not None]
    if cpu:
        lines.append(f"load generator: {max(cpu):.1%} of one vCPU at most")
    if any(r.throughput_per_second is None for r in results):
        lines.append("no request ended in the measured time: increase --duration")
    if any(_missed_requests(r) for r in results):
        lines.append("the offered rate was not served: add workers, copies or cores")
    for asked, used in sorted({(r.pipeline, r.pipeline_used) for r in results if r.pipeline_used < r.pipeline}):
        lines.append(f"a pipeline of {asked} cores uses {used}: more would not be faster")
    failures = sum(result.failures for result in results)
    if failures:
        lines.append(f"{failures} executions failed")
    return lines
