"""One real Prometheus over a virtual fleet: scrapes, memory, rules, and the panels of the Neuron fleet dashboard.

``python -m benchmarks.fleet_scale --help`` shows the options; ``python -m benchmarks fleet_scale`` runs a small fleet.
Prometheus is Debian's, unpacked by ``.ci/prometheus .venv/debian``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.harness import Figure, report
from benchmarks.scraping import free_port
from runtime_core.instance import instance_type

REPOSITORY = Path(__file__).parents[1]
_UNPACKED = Path(sys.prefix) / "debian/usr/bin"
_PANEL_SECONDS = 2.0
_PATIENCE_SECONDS = 30.0
_GRAFANAS_RANGE_SECONDS = 3600


class Plan(NamedTuple):
    """The plan of a measurement."""

    nodes: int = 200
    instance: str = "inf1.6xlarge"
    applications: int = 4
    reduced: bool = False
    interval_seconds: int = 15
    rounds: int = 5
    processes: int = 1


def fleet_file(plan: Plan) -> str:
    """A fleet of equal nodes; applications share the cores evenly."""
    cores = instance_type(plan.instance).core_count
    each = cores // plan.applications
    applications = "".join(
        f'      - {{tag: app-{n}, cores: "{n * each}-{n * each + each - 1}", models: [small],'
        " arrivals: {constant: 20}, threads: 2}\n"
        for n in range(plan.applications)
    )
    return (
        "fleet: scale\nmodels:\n  small: {milliseconds: 10}\ngroups:\n  - name: node\n"
        f"    count: {plan.nodes}\n    instance: {plan.instance}\n    applications:\n{applications}"
    )


def program(name: str) -> str:
    """A program that is installed, or unpacked beside the environment."""
    found = shutil.which(name) or shutil.which(name, path=str(_UNPACKED))
    if found is None:
        raise SystemExit(f"{name} is missing: run .ci/prometheus .venv/debian")
    return found


@contextmanager
def running(command: list[str], **options: object) -> Iterator[subprocess.Popen[str]]:
    """A program for the block."""
    process = subprocess.Popen(command, text=True, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def fleet_up(plan: Plan, folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """A served fleet: its address, and the process that serves it."""
    path = folder / "fleet.yaml"
    path.write_text(fleet_file(plan))
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "neuron_tools.sim", "fleet", "up", str(path), f"--listen={address}"]
    command += [f"--processes={plan.processes}", *(["--reduced"] if plan.reduced else [])]
    environment = {**os.environ, "NEURON_FLEET_ROOT": str(folder / "root")}
    with running(command, env=environment, stderr=subprocess.PIPE) as process:
        if process.stderr is None or not (said := process.stderr.readline()).startswith(f"{plan.nodes} nodes"):
            raise SystemExit(f"the fleet does not start: {said}")
        yield address, psutil.Process(process.pid)


class Server(NamedTuple):
    """A client of Prometheus, or of a compatible server."""

    url: str
    process: psutil.Process

    def ask(self, path: str, **parameters: str) -> list[dict[str, list[object]]]:
        """The result of a query; ``path``: query or query_range."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=_PATIENCE_SECONDS) as answer:
            result: list[dict[str, list[object]]] = json.load(answer)["data"]["result"]
            return result

    def value(self, promql: str) -> float:
        """The only value of a query; 0 if there is none."""
        found = self.ask("query", query=promql)
        return float(str(found[0]["value"][1])) if found else 0.0

    def own(self, name: str) -> list[float]:
        """Values of one of its own metrics."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=120) as answer:
            lines = answer.read().decode().splitlines()
        return [float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name}{{", f"{name} "))]


def configuration(plan: Plan, fleet: str) -> str:
    """Configuration of a Prometheus with the shipped rules."""
    rules = [str(path) for path in sorted((REPOSITORY / "dashboards/rules").glob("*.yml"))]
    return json.dumps(
        {
            "global": {
                "scrape_interval": f"{plan.interval_seconds}s",
                "scrape_timeout": f"{min(30, plan.interval_seconds)}s",
                "evaluation_interval": f"{plan.interval_seconds}s",
            },
            "rule_files": rules,
            "scrape_configs": [
                {"job_name": "neuron-monitor", "honor_labels": True, "http_sd_configs": [{"url": f"http://{fleet}/sd"}]}
            ],
        }
    )


@contextmanager
def prometheus_up(config: str, folder: Path) -> Iterator[Server]:
    """A Prometheus with a configuration."""
    (folder / "prometheus.yml").write_text(config)
    port = free_port()
    command = [
        program("prometheus"), f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=error", "--query.timeout=2m",
    ]  # fmt: skip
    with running(command, stdout=subprocess.DEVNULL) as process:
        server = Server(f"http://127.0.0.1:{port}", psutil.Process(process.pid))
        wait_until(lambda: server.value("vector(1)") == 1, 60, "Prometheus")
        yield server


def wait_until(check: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for a condition; exit if it is not met in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if check():
                return
        except OSError:
            pass
        time.sleep(0.5)
    raise SystemExit(f"{what}: not within {seconds:g} s")


def panels() -> list[tuple[str, str, bool]]:
    """Title and query of every panel of the dashboard, and whether it is an instant query."""
    dashboard = json.loads((REPOSITORY / "dashboards/json/neuron-fleet.json").read_text())
    return [
        (panel["title"], target["expr"], bool(target.get("instant")))
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    ]


def panel_seconds(server: Server, interval_seconds: int) -> dict[str, float]:
    """Time of the slowest query of each panel, for the last hour as in Grafana."""
    found: dict[str, float] = {}
    step = max(15, interval_seconds)
    names = {"$__rate_interval": f"{4 * interval_seconds}s", "$__range": "1h", "$__interval": f"{step}s"}
    for title, query, instant in panels():
        for name, value in names.items():
            query = query.replace(name, value)
        for name in ("$instance_type", "$zone", "$tag"):
            query = query.replace(name, ".*")
        now = time.time()
        started = time.perf_counter()
        try:
            if instant:
                server.ask("query", query=query)
            else:
                start = now - _GRAFANAS_RANGE_SECONDS
                server.ask("query_range", query=query, start=f"{start}", end=f"{now}", step=f"{step}")
        except OSError as error:
            # A failure counts with its time.
            print(f"{title}: {error}", file=sys.stderr)
        found[title] = max(found.get(title, 0.0), time.perf_counter() - started)
    return found


def measure(plan: Plan) -> None:
    """Measure, and report."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="neuron-scale-")))
        address, serving = stack.enter_context(fleet_up(plan, folder))
        server = stack.enter_context(prometheus_up(configuration(plan, address), folder))
        wait_until(lambda: server.value("count(up == 1)") == plan.nodes, 20 * plan.interval_seconds, "all nodes up")
        begun, prometheus_cpu, fleet_cpu = time.monotonic(), cpu(server.process), cpu(serving)
        time.sleep(plan.rounds * plan.interval_seconds)
        seconds = time.monotonic() - begun
        share, fleet_share = (cpu(server.process) - prometheus_cpu) / seconds, (cpu(serving) - fleet_cpu) / seconds
        up, least = server.value("count(up == 1)"), server.value(f"min(min_over_time(up[{plan.interval_seconds}s]))")
        series = max(server.own("prometheus_tsdb_head_series"))
        samples = server.value("sum(scrape_samples_scraped)")
        mean, longest = (server.value(f"{how}(scrape_duration_seconds)") for how in ("avg", "max"))
        rules = sum(server.own("prometheus_rule_group_last_duration_seconds"))
        missed = sum(server.own("prometheus_rule_group_iterations_missed_total"))
        times = panel_seconds(server, plan.interval_seconds)
        rss = server.process.memory_info().rss
        fleet_rss = serving.memory_info().rss
    slowest = max(times, key=lambda title: times[title])
    kind = "reduced" if plan.reduced else "full"
    report(
        f"fleet_scale_{plan.nodes}_{plan.instance}_{kind}",
        [
            Figure("nodes that are up", up, "", plan.nodes, at_most=False, note=f"{kind}, {plan.instance}"),
            Figure("least up of any node", least, "", 1, at_most=False, note="in the last interval"),
            Figure("scrape interval", plan.interval_seconds, "s"),
            Figure("series a node", samples / plan.nodes, ""),
            Figure("samples scraped", samples / plan.interval_seconds, "per s"),
            Figure("series in the head block", series, "", note="with those of the recording rules"),
            Figure("scrape, mean", mean * 1e3, "ms"),
            Figure("scrape, longest", longest * 1e3, "ms"),
            Figure("Prometheus, CPU", share * 100, "% of a core"),
            Figure("Prometheus, RSS", rss / (1 << 20), "MiB"),
            Figure("Prometheus, RSS a series", rss / series, "bytes"),
            Figure("fleet server, CPU", fleet_share * 100, "% of a core"),
            Figure("fleet server, RSS", fleet_rss / (1 << 20), "MiB"),
            Figure("all rules once", rules, "s", plan.interval_seconds, note=f"{missed:.0f} evaluations missed"),
            *(Figure(f"panel {title!r}", times[title], "s") for title in sorted(times, key=times.__getitem__)[-6:-1]),
            Figure("panel query, median", statistics.median(times.values()), "s"),
            Figure("panel query, slowest", times[slowest], "s", _PANEL_SECONDS, note=slowest),
        ],
    )


def cpu(process: psutil.Process) -> float:
    """CPU seconds of a process and its children."""
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def main() -> None:
    """Measure a small fleet."""
    measure(Plan())


def _options() -> Plan:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=Plan().nodes)
    parser.add_argument("--instance", default=Plan().instance)
    parser.add_argument("--applications", type=int, default=Plan().applications, help="per node")
    parser.add_argument("--reduced", action="store_true", help="reduced pages")
    parser.add_argument("--interval", type=int, default=Plan().interval_seconds, help="seconds between scrapes")
    parser.add_argument("--rounds", type=int, default=Plan().rounds, help="intervals to measure")
    parser.add_argument("--processes", type=int, default=Plan().processes, help="that serve the fleet")
    given = parser.parse_args()
    return Plan(
        given.nodes, given.instance, given.applications, given.reduced, given.interval, given.rounds, given.processes
    )


if __name__ == "__main__":
    measure(_options())
