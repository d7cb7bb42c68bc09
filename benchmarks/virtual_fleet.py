"""The cost of a virtual fleet (a scrape of the largest node, a month of one node, a week of many), and its precision.

The peer of a scrape is prometheus_client, which renders the samples of the same page. Scrapes are measured in CPU time,
on which other programs of the machine have little effect. ``NEURON_BENCH_NODES`` sets the number of nodes that run for
a week (default: 50).
"""

from __future__ import annotations

import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.harness import Figure, report
from neuron_tools.fleet.compare import compare
from neuron_tools.fleet.node import Nodes
from neuron_tools.fleet.run.job import run_nodes
from neuron_tools.fleet.run.spec import RunSpec, jobs_of
from neuron_tools.fleet.schema import Fleet, nodes_of, parse_fleet
from neuron_tools.fleet.series import NodeSeries, PageSeries

_DAY = 86_400
_SCRAPED = 40
_ROUNDS = 7

_LARGEST = """
fleet: largest
models: {small: {milliseconds: 10}}
groups:
  - name: big
    count: 40
    instance: inf1.24xlarge
    applications:
""" + "".join(
    f'      - {{tag: app{core}, cores: "{core}", models: [small], arrivals: {{poisson: 20}}}}\n' for core in range(64)
)
_ORDINARY = """
fleet: ordinary
models: {small: {milliseconds: 10}}
groups:
  - name: web
    count: COUNT
    instance: inf1.xlarge
    applications:
      - {tag: web, cores: "0-2", models: [small], threads: 3,
         arrivals: {diurnal: {low: 20, high: 90, period: 24h}}}
      - {tag: batch, cores: "3", models: [small], arrivals: {constant: 20}}
    failures:
      - {every: 120h, fault: {fault: core-hang, cores: "3", for: 10m}}
    maintenance: {every: 168h, for: 15m}
"""


class Month(NamedTuple):
    """A month of one node: seconds, peak RSS after three days and at the end, and how often a counter decreased."""

    seconds: float
    early_mib: float
    late_mib: float
    backwards: int


def fleet_of(text: str, count: int = 1) -> Fleet:
    """Create a fleet from the text of a file."""
    return parse_fleet(text.replace("COUNT", str(count)).encode(), Path("fleet.yaml"))


def scrape_milliseconds() -> tuple[list[float], list[float], str]:
    """CPU and wall time of pages of the largest fully used nodes, 15 s apart, in rounds; and one page."""
    nodes = list(Nodes(fleet_of(_LARGEST), Path()).by_name.values())[:_SCRAPED]
    page = ""
    for node in nodes:
        page = node.page(3600 * 10**9) or ""
    cpu, wall = [], []
    for number in range(_ROUNDS):
        at_ns = (3600 + 15 * (number + 1)) * 10**9
        started, began = time.process_time(), time.perf_counter()
        for node in nodes:
            page = node.page(at_ns) or ""
        cpu.append((time.process_time() - started) / len(nodes) * 1e3)
        wall.append((time.perf_counter() - began) / len(nodes) * 1e3)
    return cpu, wall, page


def peer_milliseconds(page: str) -> float:
    """CPU time that prometheus_client needs to render the samples of a page."""
    families = list(text_string_to_metric_families(page))

    class Known:
        def collect(self) -> Iterator[Metric]:
            yield from families

    registry = CollectorRegistry()
    registry.register(Known())
    times = []
    for _ in range(3):
        started = time.process_time()
        generate_latest(registry)
        times.append((time.process_time() - started) * 1e3)
    return statistics.median(times)


def month() -> Month:
    """Run a node for 30 days with the rules, and check each minute that its counters do not decrease."""
    spec = RunSpec(_ORDINARY.replace("COUNT", "1"), "", 0, 30 * _DAY, 60, 0)
    fleet = spec.fleet
    (job,) = jobs_of(spec, fleet)
    (first,) = jobs_of(spec_of_days(spec, 3), fleet)
    run_nodes(first)
    early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.perf_counter()
    run_nodes(job)
    seconds = time.perf_counter() - started
    series = NodeSeries(Nodes(fleet, Path()).by_name["web-0000"], PageSeries(None), "a")
    backwards = 0
    last: dict[object, float] = {}
    for day in range(30):
        at_ns = (day * _DAY + np.arange(1440, dtype=np.int64) * 60) * 10**9
        store = series.over(at_ns, 0, 60.0)
        up = store.families["up"].values[0] > 0
        for name, columns in store.families.items():
            if not name.endswith(("_total", "_bucket", "_sum", "_count")):
                continue
            for labels, values, present in zip(columns.labels, columns.values, columns.present, strict=True):
                before = last.get(labels, -math.inf)
                steps = np.concatenate([[before], values])
                falls = (np.diff(steps) < 0) & present & np.concatenate([[True], up[:-1]])
                backwards += int(falls.sum())
                last[labels] = float(values[-1]) if present[-1] else -math.inf
    return Month(seconds, early, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, backwards)


def spec_of_days(spec: RunSpec, days: int) -> RunSpec:
    """The same with a shorter run."""
    return RunSpec(spec.text, spec.folder, spec.seed, days * _DAY, spec.step_seconds, spec.start_unix_seconds)


def week(count: int) -> tuple[float, float]:
    """A week of many nodes with ``neuron-sim fleet run``: wall seconds, and the peak RSS of all processes."""
    with tempfile.TemporaryDirectory(prefix="neuron-bench-") as name:
        file = Path(name) / "fleet.yaml"
        file.write_text(_ORDINARY.replace("COUNT", str(count)))
        command = [
            sys.executable, "-m", "neuron_tools.sim", "fleet", "run", str(file), "--days=7", f"--out={name}/out",
            "--openmetrics-nodes=0",
        ]  # fmt: skip
        started = time.perf_counter()
        process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        peak = 0
        while process.poll() is None:
            try:
                rss = sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))
            except psutil.Error:
                rss = 0
            peak = max(peak, rss)
            time.sleep(0.2)
        return time.perf_counter() - started, peak / (1 << 20)


def main() -> None:
    """Measure."""
    os.environ.setdefault("NEURON_RT_LOG_LEVEL", "QUIET")
    count = int(os.environ.get("NEURON_BENCH_NODES", "50"))
    cpu, wall, page = scrape_milliseconds()
    series = sum(bool(line) and not line.startswith("#") for line in page.splitlines())
    peer = peer_milliseconds(page)
    one = month()
    seconds, rss = week(count)
    compared = fleet_of(_ORDINARY.partition("    failures:")[0])
    kinds = compare(compared, Path(), nodes_of(compared)[0], 600 * 10**9)
    exact = next(kind for kind in kinds if kind.limit == 0)
    figures = [
        Figure(
            "scrape of an inf1.24xlarge, median round", statistics.median(cpu), "ms", 3, note=f"CPU, {series} series"
        ),
        Figure("the same, worst round", max(cpu), "ms", 3, note=f"CPU, {_ROUNDS} rounds of {_SCRAPED} nodes"),
        Figure("the same, best round", min(wall), "ms", note="wall, with whatever else the machine does"),
        Figure("peer: prometheus_client renders the page", peer, "ms"),
        Figure("scrape / peer", statistics.median(cpu) / peer, "", 1.0),
        Figure("month of one node", 30 * _DAY / one.seconds, "virtual s/s", note=f"{one.seconds:.1f} s, with rules"),
        Figure("counters that went back", one.backwards, "", 0, note="every counter, every minute of the month"),
        Figure("RSS, month less three days", one.late_mib - one.early_mib, "MiB", 10, note=f"{one.late_mib:.0f} MiB"),
        Figure(f"week of {count} nodes", 7 * _DAY / seconds, "virtual s/s", note=f"{seconds:.0f} s"),
        Figure("the same, per node", 7 * _DAY * count / seconds, "node s/s", note=f"RSS of all {rss:.0f} MiB"),
        Figure("lines that must be exact and are not", exact.lines - exact.equal, "", 0, note=f"of {exact.lines}"),
    ]
    for kind in kinds:
        if kind.lines and kind.limit:
            note = f"{kind.equal} of {kind.lines} equal"
            figures.append(Figure(f"difference in {kind.what}", kind.worst, kind.unit, kind.limit, note=note))
    report("virtual_fleet", figures)


if __name__ == "__main__":
    main()
