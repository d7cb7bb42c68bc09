"""The output of the viewers for Inf1, Inf2, Trn1 and Trn2 nodes. ``UPDATE_GOLDEN=1`` rewrites the expected output.

A process holds the first device; the memory of other devices belongs to no process.
"""

import json
import os
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import pytest
from machines.driver_trees import BUSY_FOR_NS, MACHINES, write_tree

from neuron_ls.listing import View, render
from neuron_monitor.collector import Collector
from neuron_monitor.config import parse_config
from neuron_monitor.prometheus.from_node import NodeFeed
from neuron_monitor.prometheus.page import Page
from neuron_monitor.wire import encode_report
from neuron_top.draw.topology import topology_lines
from neuron_top.glyphs import UNICODE
from neuron_top.model.moment import make_moment
from neuron_top.model.topology import make_topology
from neuron_top.once import print_once
from runtime_core import __version__
from runtime_core.telemetry.links import torus_columns
from runtime_core.telemetry.snapshot import CpuTimes
from runtime_core.telemetry.sysfs import source as sysfs
from runtime_core.telemetry.sysfs.holders import Holder
from runtime_core.telemetry.sysfs.tree import read_host_memory

GOLDEN = Path(__file__).parent / "golden"
PERIOD_SECONDS = 10
GROUPS = ("neuroncore_counters", "execution_stats", "memory_used", "neuron_runtime_vcpu_usage")
CONFIG = parse_config(
    json.dumps({
        "neuron_runtimes": [{"metrics": [{"type": name} for name in GROUPS]}],
        "system_metrics": [{"type": "neuron_hw_counters"}],
    }).encode(), "c",
)  # fmt: skip


class Machine:
    """A node with two snapshots that are ten seconds apart for the viewers."""

    name = "sysfs:machine"

    def __init__(self, machine, root):
        self._machine, self._root, self._looks = machine, root, 0
        self._source = sysfs.SysfsSource(root)

    def snapshot(self, *, host=False):
        self._looks += 1
        write_tree(self._machine, self._root, looks=self._looks)
        time_ns = self._looks * PERIOD_SECONDS * 10**9
        seen = self._source.snapshot()
        runtimes = tuple(
            r._replace(time_ns=time_ns, cpu=CpuTimes(float(self._looks), 0.5 * self._looks)) for r in seen.runtimes
        )
        return seen._replace(time_ns=time_ns, wall_time_ns=time_ns, source=self.name, runtimes=runtimes)

    def close(self):
        pass


@pytest.fixture
def machine(request, tmp_path, monkeypatch):
    """A process that holds the first device."""
    holder = Holder(4711, 10**9, 1000, "train", "python3 train.py", (0,), None)
    monkeypatch.setattr(sysfs, "find_holders", lambda dev: (holder,))
    monkeypatch.setattr(sysfs, "_is_live", lambda root: True)
    write_tree(request.param, tmp_path / "tree")
    return Machine(request.param, tmp_path / "tree")


def screen(machine):
    """The output of neuron-top --once in 100 columns."""
    with redirect_stdout(StringIO()) as out, patch.dict(os.environ, {"COLUMNS": "100", "NO_COLOR": "1"}):
        print_once(machine, 0.0, UNICODE)
    return out.getvalue().replace(__version__, "VERSION")


def shown(machine):
    """The output of neuron-ls, the first report, its metrics, and the output of neuron-top --once."""
    collector, page, feed = Collector(machine, CONFIG, 0), Page(), NodeFeed()
    look = collector.collect(PERIOD_SECONDS * 10**9, everything=True)
    page.show(feed.take(look), 0.0)
    text = b"".join(page.scrape()).decode()
    ours = ("neuron_monitor_", "process_", "python_")
    series = sorted(
        re.sub(r'instance_name="[^}]*?subnet_id="[^"]*",?', "", line)
        for line in text.splitlines()
        if not line.startswith(("#", *ours)) and "_created" not in line
    )
    report = json.dumps(json.loads(encode_report(look.report)), indent=1)
    table = render(look.snapshot, View(wide=True, topology=True))
    parts = (
        "# neuron-ls",
        table,
        "# neuron-monitor",
        report,
        "# Prometheus",
        *series,
        "",
        "# neuron-top",
        screen(machine),
    )
    return re.sub(r" +$", "", "\n".join(parts), flags=re.MULTILINE)


@pytest.mark.parametrize("machine", MACHINES, indirect=True, ids=str)
def test_the_viewers_name_what_they_see(machine, request):
    text = shown(machine)
    golden = GOLDEN / f"{request.node.callspec.params['machine']}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("machine", ["inf2.xlarge"], indirect=True)
def test_host_memory_that_the_tree_does_not_tell_is_nowhere_0(machine):
    count = machine.snapshot

    def without_host_memory(*, host=False):
        with patch.object(sysfs, "read_host_memory", lambda directory: read_host_memory(f"{directory}/none")):
            return count(host=host)

    machine.snapshot = without_host_memory
    text = shown(machine)
    assert re.search(r"Host Used +Total.*\nMemory +N/A +N/A +N/A +N/A +N/A\n", text)
    assert 'memory_location="host"' not in text
    assert re.search(r'"error": "not available, reported as 0 or null: neuron_runtime_used_bytes\.host, ', text)


@pytest.mark.parametrize(
    ("machine", "chip", "cores", "gib", "torus"),
    [
        ("inf1.6xlarge", "Inferentia v1", 16, 8, None),
        ("inf2.xlarge", "Inferentia2 v2", 2, 32, None),
        ("inf2.48xlarge", "Inferentia2 v2", 24, 32, None),
        ("trn1.32xlarge", "Trainium1 v2", 32, 32, 4),
        ("trn2.48xlarge", "Trainium2 v3d", 64, 96, 4),
    ],
    indirect=["machine"],
    ids=str,
)
def test_chips_cores_memory_and_links(machine, chip, cores, gib, torus):
    snapshot = machine.snapshot()
    assert {f"{d.chip.name} {d.core_version}" for d in snapshot.devices} == {chip}
    assert [core for d in snapshot.devices for core in d.core_ids] == list(range(cores))
    assert {d.memory_total_bytes for d in snapshot.devices} == {gib << 30}
    assert torus_columns(snapshot.devices) == torus


@pytest.mark.parametrize(("machine", "first", "boxes"), [
    ("inf1.6xlarge", "4 Neuron Devices (Inferentia), a line: East is to the right", (0, 1, 2, 3)),
    ("inf2.xlarge", "1 Neuron Device (Inferentia2), no links", (0,)),
    ("trn1.32xlarge", "16 Neuron Devices (Trainium1), a 4 x 4 torus: * is where a link wraps around", (0, 1, 2, 3)),
    ("trn2.48xlarge", "16 Neuron Devices (Trainium2), a 4 x 4 torus: * is where a link wraps around", (0, 1, 2, 3)),
], indirect=["machine"])  # fmt: skip
def test_the_topology_names_the_chip_and_draws_its_links(machine, first, boxes):
    lines = [line.plain for line in topology_lines(make_topology(make_moment(None, machine.snapshot())), 100)]
    assert lines[0].strip() == first
    row = next(line for line in lines if "ND0" in line)
    assert [int(n) for n in re.findall(r"ND(\d+)", row)] == list(boxes)
    wrapped = sum(line.startswith("*") for line in lines)
    assert wrapped == (4 if "torus" in first else 0), "one link around each row of the torus"


@pytest.mark.parametrize("machine", ["trn2.48xlarge"], indirect=True)
def test_a_logical_core_is_the_mean_of_its_parts_and_errors_of_newer_drivers_count(machine):
    look = Collector(machine, CONFIG, 0).collect(PERIOD_SECONDS * 10**9, everything=True)
    line = json.loads(encode_report(look.report))
    (entry,) = line["neuron_runtime_data"]
    cores = entry["report"]["neuroncore_counters"]["neuroncores_in_use"]
    percent = 100 * BUSY_FOR_NS / 1e9 / PERIOD_SECONDS
    assert cores["0"]["neuroncore_utilization"] == percent / 2
    assert cores["0"]["v3d"] == {
        "nc_v3.0": {"neuroncore_utilization": percent}, "nc_v3.1": {"neuroncore_utilization": 0.0},
    }  # fmt: skip
    assert sorted(cores, key=int) == ["0", "1", "2", "3"]
    assert entry["report"]["execution_stats"]["error_summary"]["hardware"] == 2
    assert line["neuron_hardware_info"]["logical_neuroncore_config"] == 2


@pytest.mark.parametrize("machine", ["trn2.48xlarge"], indirect=True)
def test_physical_cores_when_they_are_wanted(machine, monkeypatch):
    monkeypatch.setenv("NEURON_LOGICAL_NC_CONFIG", "1")
    device = machine.snapshot().devices[1]
    assert (device.core_ids, device.core_version) == (tuple(range(8, 16)), "v3")
    table = render(machine.snapshot()._replace(runtimes=()), View())
    assert "logical-neuroncore-config: 1" in table
    assert max(map(len, table.splitlines())) <= 80


@pytest.mark.parametrize("machine", ["inf2.48xlarge"], indirect=True)
def test_memory_without_a_process_is_not_hidden(machine):
    snapshot = machine.snapshot()
    first, second = snapshot.devices[:2]
    assert snapshot.unattributed_memory_bytes(second) == second.memory_used_bytes == 11 << 28
    # The process accounts for the categories that neuron-monitor names.
    assert snapshot.unattributed_memory_bytes(first) == 6 << 28


@pytest.mark.parametrize("machine", ["trn1.2xlarge"], indirect=True)
def test_files_that_only_root_reads_are_not_needed(machine, tmp_path):
    machine.snapshot()
    for name in ("core_count", "connected_devices"):
        (tmp_path / "tree/neuron0" / name).unlink()
    device = sysfs.SysfsSource(tmp_path / "tree").snapshot().devices[0]
    assert (len(device.core_ids), device.connected, device.chip.name) == (2, (), "Trainium1")
