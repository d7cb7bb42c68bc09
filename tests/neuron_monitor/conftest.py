"""Sources of given snapshots, and a reader of the published schema without msgspec."""

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from neuron_monitor.collector import Collector
from neuron_monitor.config import default_config
from neuron_monitor.schema import json_schema
from neuron_monitor.wire import encode_report
from runtime_core.telemetry import NodeNotFoundError

PERIOD_NS = 5 * 10**9


class Replay:
    """A source that returns given snapshots in turn; ``None``: the node is missing."""

    name = "test"

    def __init__(self, *snapshots):
        self._snapshots = list(snapshots)

    def snapshot(self, *, host=False):
        found = self._snapshots.pop(0)
        if found is None:
            raise NodeNotFoundError("no Neuron node")
        return found

    def close(self):
        pass


@pytest.fixture
def replay():
    return Replay


@pytest.fixture
def looks():
    """The reports of a collector for snapshots that are 5 s apart."""

    def seen(*snapshots, config=None, times=None):
        collector = Collector(Replay(*snapshots), config or default_config(), 0)
        return [collector.collect(t) for t in times or [PERIOD_NS * n for n in range(1, len(snapshots))]]

    return seen


@pytest.fixture
def reports(looks):
    """The same after encoding and decoding."""

    def seen(*snapshots, **options):
        return [json.loads(encode_report(look.report)) for look in looks(*snapshots, **options)]

    return seen


_TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
}
_TOLD_ONLY = {"title", "description", "default", "$defs", "$schema"}


def check(value, schema, root, place="$"):
    """Assert that a value matches a JSON Schema; an unknown keyword is an error."""
    for keyword, wanted in schema.items():
        match keyword:
            case "$ref":
                check(value, root["$defs"][wanted.removeprefix("#/$defs/")], root, place)
            case "type":
                assert _TYPES[wanted](value), f"{place}: {value!r} is no {wanted}"
            case "anyOf":
                problems = [problem for option in wanted if (problem := _problem(value, option, root, place))]
                assert len(problems) < len(wanted), "; ".join(problems)
            case "minimum":
                assert value >= wanted, f"{place}: {value} < {wanted}"
            case "maximum":
                assert value <= wanted, f"{place}: {value} > {wanted}"
            case "pattern":
                assert re.search(wanted, value), f"{place}: {value!r} is no {wanted}"
            case "items":
                for number, item in enumerate(value):
                    check(item, wanted, root, f"{place}[{number}]")
            case "properties":
                # Stricter than the schema, which allows additional fields for companions; the monitor adds none.
                assert value.keys() <= wanted.keys(), f"{place}: unknown {value.keys() - wanted.keys()}"
                for name in value:
                    check(value[name], wanted[name], root, f"{place}.{name}")
            case "required":
                assert set(wanted) <= value.keys(), f"{place}: without {set(wanted) - value.keys()}"
            case "additionalProperties":
                for name in value.keys() - schema.get("properties", {}).keys():
                    check(value[name], wanted, root, f"{place}.{name}")
            case _:
                assert keyword in _TOLD_ONLY, f"the schema uses {keyword}"


def _problem(value, schema, root, place):
    try:
        check(value, schema, root, place)
    except AssertionError as problem:
        return str(problem)
    return ""


@pytest.fixture(scope="session")
def fits_schema():
    """Assert that a report matches the output of ``--json-schema``."""
    schema = json.loads(json_schema())
    return lambda report: check(report, schema, schema)


@pytest.fixture
def owner(node):
    """Start a process that owns a core and counts executions."""
    started = []

    def start(core):
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.owner", str(core)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        started.append(process)
        assert process.stdout.readline() == b"up\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def listening(wait):
    """The port on which a process listens."""

    def port_of(pid):
        inodes = set()
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{fd}"))
            except OSError:
                continue
            if found:
                inodes.add(found[1])
        for table in ("tcp", "tcp6"):
            with open(f"/proc/net/{table}") as file:
                for line in list(file)[1:]:
                    fields = line.split()
                    if fields[3] == "0A" and fields[9] in inodes:
                        return int(fields[1].rpartition(":")[2], 16)
        return None

    return lambda process: wait(lambda: port_of(process.pid), what="a listening socket")


@pytest.fixture
def get():
    """Fetch a URL: status, headers, body."""

    def fetch(url, context=None, **headers):
        request = urllib.request.Request(url, headers={name.replace("_", "-"): v for name, v in headers.items()})
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    return fetch


@pytest.fixture
def every_group(tmp_path):
    """A configuration with every group at a period of 100 ms."""
    path = tmp_path / "c.json"
    metrics = ["neuroncore_counters", "memory_used", "neuron_runtime_vcpu_usage", "execution_stats"]
    system = ["vcpu_usage", "memory_info", "neuron_hw_counters"]
    path.write_text(
        json.dumps({
            "period": "100ms",
            "neuron_runtimes": [{"metrics": [{"type": name} for name in metrics]}],
            "system_metrics": [{"type": name} for name in system],
        })
    )  # fmt: skip
    return path
