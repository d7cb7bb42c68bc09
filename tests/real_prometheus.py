"""A real Prometheus server with real monitors of simulated nodes, for tests with PromQL."""

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import yaml
from conftest import wait_for

REPOSITORY = Path(__file__).parent.parent
UNPACKED = Path(sys.prefix) / "debian/usr/bin"
EVERY_GROUP = {
    "period": "200ms",
    "neuron_runtimes": [
        {
            "metrics": [
                {"type": name}
                for name in ("neuroncore_counters", "execution_stats", "memory_used", "neuron_runtime_vcpu_usage")
            ]
        }
    ],
    "system_metrics": [{"type": name} for name in ("vcpu_usage", "memory_info", "neuron_hw_counters")],
}


def program(name):
    """``prometheus`` or ``promtool``, installed or unpacked by ``.ci/prometheus``; else the test is skipped."""
    found = shutil.which(name) or shutil.which(name, path=UNPACKED)
    if found is None:
        pytest.skip(f"{name} is missing: run make test, or .ci/prometheus .venv/debian")
    return found


def listening_port(pid):
    """Wait for the port on which a process listens."""

    def port():
        sockets = psutil.Process(pid).net_connections(kind="tcp")
        return next((s.laddr.port for s in sockets if s.status == psutil.CONN_LISTEN), None)

    return wait_for(port, what=f"a listening socket of process {pid}")


@contextmanager
def running(*command, **options):
    """A process that is stopped after the block."""
    process = subprocess.Popen([str(part) for part in command], **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Server:
    """A client of a Prometheus server."""

    def __init__(self, url):
        self.url = url

    def get(self, path, **parameters):
        """The response of the HTTP API; raises an error with Prometheus's message."""
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"{self.url}{path}?{query}", timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None

    def ask(self, promql):
        """The current vector of a PromQL expression: (labels, value) pairs."""
        data = self.get("/api/v1/query", query=promql)
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(series["metric"], float(series["value"][1])) for series in data["result"]]

    def value(self, promql):
        """The only value, or ``None`` if there is no series."""
        found = self.ask(promql)
        assert len(found) <= 1, found
        return found[0][1] if found else None


def shipped_configuration(directory, targets, rules, job):
    """``deploy/prometheus/prometheus.yml`` for a test, with other targets, short intervals and ``job``."""
    configuration = yaml.safe_load((REPOSITORY / "deploy/prometheus/prometheus.yml").read_text())
    configuration["global"] = {"scrape_interval": "500ms", "evaluation_interval": "250ms"}
    configuration["rule_files"] = [str(path) for path in rules]
    (shipped,) = configuration["scrape_configs"]
    shipped.update({"static_configs": [{"targets": targets}], **job})
    path = directory / "prometheus.yml"
    path.write_text(yaml.safe_dump(configuration))
    return path


@contextmanager
def prometheus(directory, targets, rules=(), retention="15d", **job):
    """A server that scrapes ``targets``, with its data in ``directory``; ``job`` extends its only job."""
    with running(
        program("prometheus"),
        f"--config.file={shipped_configuration(directory, targets, rules, job)}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--storage.tsdb.retention.time={retention}",
        "--web.listen-address=127.0.0.1:0",
        "--log.level=error",
        stdout=subprocess.DEVNULL,
    ) as process:
        server = Server(f"http://127.0.0.1:{listening_port(process.pid)}")

        def ready():
            try:
                return server.ask("vector(1)")
            except (OSError, AssertionError):
                return None

        wait_for(ready, what="Prometheus")
        yield server


def environment(root):
    return {**os.environ, "NEURON_SIM_ROOT": str(root), "NEURON_SOURCE": "sim"}


@contextmanager
def monitor(root, *arguments):
    """``neuron-monitor --prometheus`` on a node; yields its address."""
    configuration = root.parent / f"{root.name}.json"
    configuration.write_text(json.dumps(EVERY_GROUP))
    command = [sys.executable, "-m", "neuron_monitor", "-c", configuration, "--prometheus"]
    with running(*command, "--web.listen-address", "127.0.0.1:0", *arguments, env=environment(root)) as process:
        yield f"127.0.0.1:{listening_port(process.pid)}"


@contextmanager
def pipe(root):
    """``neuron-monitor | neuron-monitor-prometheus.py`` on a node; yields its address."""
    configuration = root.parent / f"{root.name}.json"
    configuration.write_text(json.dumps(EVERY_GROUP))
    with running(
        sys.executable, "-m", "neuron_monitor", "-c", configuration, env=environment(root), stdout=subprocess.PIPE
    ) as writer, running(
        sys.executable, "-m", "neuron_monitor.prometheus", "--web.listen-address", "127.0.0.1:0", stdin=writer.stdout
    ) as reader:  # fmt: skip
        writer.stdout.close()
        yield f"127.0.0.1:{listening_port(reader.pid)}"


@contextmanager
def owner(root, core):
    """A process that owns a core and counts about 50 executions per second, with the tag ``bench<core>``."""
    command = [sys.executable, "-m", "benchmarks.owner", core]
    with running(*command, env=environment(root), cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"up\n"
        yield process
