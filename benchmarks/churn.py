"""Many runtimes that start and end: the memory of neuron-monitor, and the consistency of its counters."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.harness import Figure, report
from benchmarks.scraping import configuration, free_port, page, started
from neuron_monitor.report import Report
from runtime_core.driver.node import set_up

_RUNTIMES = 10_000
_AT_ONCE = 24
_LIFETIME_SECONDS = 0.3
_PERIOD = "100ms"
_SCRAPE_SECONDS = 0.05
_COUNTER = re.compile(r"^(\w+?)_(total|created|bucket|count)\{(.*)\} (\S+)$", re.MULTILINE)
_TAG = re.compile(r'runtime_tag="([^"]*)"')


class Found(NamedTuple):
    """Results of a churn.

    Attributes:
        ended, killed: runtimes that ended, and those of them that were killed.
        scrapes: pages that were read.
        tags: runtimes by tag that were on any page.
        most_series, last_series: series of runtimes on the largest page, and on the first page after all had ended.
        went_back: counters that decreased although their series was the same.
        early_mib, late_mib: resident memory after a fifth of the runtimes, and after all.
        lines, bad_lines: lines of the stream, and those that are not reports.
    """

    ended: int
    killed: int
    scrapes: int
    tags: int
    most_series: int
    last_series: int
    went_back: int
    early_mib: float
    late_mib: float
    lines: int
    bad_lines: int


class Watch:
    """Follow counters from page to page. A series that restarted counts as another one."""

    def __init__(self) -> None:
        self.went_back: list[str] = []
        self.tags: set[str] = set()
        self.most_series = 0
        self.scrapes = 0
        self._before: dict[tuple[str, str, str, str], float] = {}

    def look(self, shown: str) -> int:
        """Process a page; returns the number of its series of runtimes."""
        found = [(name, kind, labels, float(value)) for name, kind, labels, value in _COUNTER.findall(shown)]
        # Buckets have no start time; that of the histogram applies.
        created = {(name, labels): repr(value) for name, kind, labels, value in found if kind == "created"}
        now: dict[tuple[str, str, str, str], float] = {}
        for name, kind, labels, value in found:
            series = labels.rpartition(",le=")[0] if kind == "bucket" else labels
            if kind != "created" and (name, series) in created:
                key = name, kind, labels, created[name, series]
                now[key] = value
                if value < self._before.get(key, value):
                    self.went_back.append(f"{name}_{kind}{{{labels}}}: {self._before[key]} to {value}")
        self._before = now
        tags = _TAG.findall(shown)
        self.tags.update(tags)
        self.most_series = max(self.most_series, len(tags))
        self.scrapes += 1
        return len(tags)


def churn(folder: Path, runtimes: int, at_once: int) -> Found:
    """Start and end runtimes on a node in ``$NEURON_SIM_ROOT``.

    Args:
        folder: folder for the stream's lines and the configuration.
        runtimes: number of runtimes.
        at_once: number of runtimes at a time.
    """
    port, lines = free_port(), folder / "lines.ndjson"
    command = [sys.executable, "-m", "neuron_monitor", "-c", str(configuration(folder, _PERIOD)), "--prometheus"]
    command += ["--web.listen-address", f"127.0.0.1:{port}", "--output", str(lines), "--output-max-mib", "1000"]
    watch = Watch()
    early_mib = 0.0
    with started("neuron-monitor", command, port, b"system_vcpu_count") as monitor:
        numbers = [runtimes, at_once, _LIFETIME_SECONDS]
        spawner = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.spawner", *map(str, numbers)], stdout=subprocess.PIPE, text=True
        )
        told = [(0, 0)]

        def follow() -> None:
            for line in spawner.stdout or ():
                ended, killed = line.split()
                told.append((int(ended), int(killed)))

        follower = threading.Thread(target=follow)
        follower.start()
        try:
            while spawner.poll() is None:
                watch.look(page(port).decode())
                if not early_mib and told[-1][0] >= runtimes / 5:
                    early_mib = monitor.process.memory_info().rss / (1 << 20)
                time.sleep(_SCRAPE_SECONDS)
        finally:
            spawner.kill()
            follower.join()
        if spawner.returncode:
            raise SystemExit("the runtimes could not be started")
        # Two reports later, none of them may be on the page.
        time.sleep(1.0)
        last_series = watch.look(page(port).decode())
        late_mib = monitor.process.memory_info().rss / (1 << 20)
    good = bad = 0
    decoder = msgspec.json.Decoder(Report)
    with lines.open("rb") as file:
        for line in file:
            try:
                decoder.decode(line)
                good += 1
            except msgspec.MsgspecError:
                bad += 1
    for told_back in watch.went_back[:5]:
        print(told_back, file=sys.stderr)
    return Found(
        *told[-1],
        watch.scrapes,
        len(watch.tags),
        watch.most_series,
        last_series,
        len(watch.went_back),
        early_mib,
        late_mib,
        good + bad,
        bad,
    )


def main() -> None:
    """Measure on a temporary node."""
    with tempfile.TemporaryDirectory(prefix="neuron-bench-") as folder:
        os.environ["NEURON_SIM_ROOT"] = str(Path(folder) / "node")
        set_up(type_name="inf1.24xlarge")
        found = churn(Path(folder), _RUNTIMES, _AT_ONCE)
    figures = [
        Figure("runtimes that came and went", found.ended, "", note=f"{found.killed} of them killed"),
        Figure("tags seen", found.tags, "", note=f"on {found.scrapes} pages, reports every {_PERIOD}"),
        Figure("series of runtimes on the fullest page", found.most_series, ""),
        Figure("series of runtimes left", found.last_series, "", 0.0, note="1 s after the last one ended"),
        Figure("counters that went back", found.went_back, "", 0.0),
        Figure("resident memory after a fifth of them", found.early_mib, "MiB"),
        Figure("growth since then", found.late_mib - found.early_mib, "MiB", 2.0),
        Figure("lines that are no reports", found.bad_lines, "", 0.0, note=f"of {found.lines}"),
    ]
    report("churn", figures)
