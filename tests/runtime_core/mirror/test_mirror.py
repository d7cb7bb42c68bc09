"""The same node, read from its datastore and from its mirror."""

import os
import stat

import numpy as np
import pytest
from worlds import BUSY, make_snapshot, tiny_neff

from neuron_ls.listing import View, render
from neuron_monitor import groups
from runtime_core.mirror.content import TreeContent, core_files
from runtime_core.mirror.export import export_tree
from runtime_core.mirror.reader import NodeMirror, TreeReader
from runtime_core.nrt import NrtError, Runtime
from runtime_core.telemetry import NodeError, NodeNotFoundError, open_source, rates
from runtime_core.telemetry.sysfs.source import SysfsSource

SIZES = ("inf1.xlarge", "inf1.2xlarge", "inf1.6xlarge", "inf1.24xlarge")
VIEWS = (View(), View(wide=True, topology=True), View(as_json=True))
INPUT = np.ones((2, 3), np.float32)


@pytest.fixture
def runtime(node):
    """An application on cores 4 and 5 of an inf1.6xlarge; another one ran on core 4 before."""
    environment = {"NEURON_RT_VISIBLE_CORES": "4-5", "NEURON_RT_LOG_LEVEL": "QUIET", "NEURON_PROCESS_TAG": "web"}
    with Runtime(environment={**environment, "NEURON_RT_VISIBLE_CORES": "4"}) as earlier:
        infer(earlier, earlier.load(tiny_neff()), 3)
    with Runtime(environment=environment) as opened:
        yield opened


def infer(runtime, model, count):
    for _ in range(count):
        runtime.infer(model, {"x": INPUT})


def counters(before, after):
    """neuron-monitor's report of the only runtime, without data that sysfs lacks: models, subgraphs, latencies."""
    change = rates(before, after)
    (seen,), (rate,) = after.runtimes, change.runtimes.values()
    memory = groups.memory_used(seen, rate)
    executions = groups.execution_stats(seen, rate)
    cores = groups.neuroncore_counters(seen, rate)
    return {
        "executions": executions.execution_summary,
        "errors": executions.error_summary,
        "memory": memory.neuron_runtime_used_bytes,
        "flops": {core: round(c.flops * rate.seconds, -3) for core, c in cores.neuroncores_in_use.items()},
        "tag": seen.tag,
    }


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("runtimes", [(), BUSY[:1]], ids=["idle", "busy"])
def test_neuron_ls_prints_the_same(tmp_path, size, runtimes):
    snapshot = make_snapshot(size, runtimes=runtimes)
    export_tree(TreeContent(snapshot), tmp_path / "mirror")
    mirrored = SysfsSource(tmp_path / "mirror").snapshot()
    for view in VIEWS:
        assert render(mirrored, view) == render(snapshot, view)


def test_a_working_node_looks_the_same_through_its_mirror(tmp_path, runtime):
    mirror, direct, through = NodeMirror(tmp_path / "m"), open_source("sim"), open_source(f"sysfs:{tmp_path / 'm'}")
    model = runtime.load(tiny_neff())
    infer(runtime, model, 2)
    mirror.refresh()
    before = direct.snapshot(), through.snapshot()
    infer(runtime, model, 5)
    with pytest.raises(NrtError):
        runtime.infer(model, {"x": INPUT[:1]})
    mirror.refresh()
    after = direct.snapshot(), through.snapshot()
    for view in VIEWS:
        assert render(after[1], view) == render(after[0], view)
    expected = counters(before[0], after[0])
    assert counters(before[1], after[1]) == expected
    assert expected["executions"].completed == 5
    assert expected["executions"].incorrect_input == 1
    assert [d.memory_used_bytes for d in after[1].devices] == [d.memory_used_bytes for d in after[0].devices]


def test_total_adds_what_ended_runtimes_counted(tmp_path, node, runtime):
    infer(runtime, runtime.load(tiny_neff()), 2)
    NodeMirror(tmp_path / "mirror").refresh()
    success = tmp_path / "mirror/neuron1/neuron_core0/stats/status/success"
    assert (success / "present").read_text() == "2\n"
    assert (success / "total").read_text() == "5\n"
    assert TreeReader().look([4]).lasting[4].counts.inference_count == 3


def shown(core, name):
    """(present, total) of a counter of the first device."""
    reader = TreeReader()
    content = reader.look([core])
    files = dict(core_files(content, content.snapshot.devices[0], core))
    reader.close()
    return files[f"stats/{name}/present"], files[f"stats/{name}/total"]


def test_a_killed_process_is_counted_once_whether_its_page_is_folded_or_not(node, spawn, wait, squeezenet_neff):
    victim = spawn("neuron_tools.sim", "run", squeezenet_neff, "--visible-cores", "0", "--no-numerics",
                   "--duration", "0", "--rate", "200")  # fmt: skip
    wait(lambda: (shown(0, "status/success")[0] or 0) > 20)
    victim.kill()
    victim.wait()
    present, total = shown(0, "status/success")
    assert (present, total > 20) == (0, True)
    with Runtime(environment={"NEURON_RT_VISIBLE_CORES": "0", "NEURON_RT_LOG_LEVEL": "QUIET"}) as later:
        infer(later, later.load(tiny_neff()), 2)
        assert shown(0, "status/success") == (2, total + 2)
    assert shown(0, "status/success") == (0, total + 2)


def test_the_peak_of_memory_stays(tmp_path, runtime):
    used = tmp_path / "tree/neuron1/neuron_core0/stats/memory_usage/device_mem"
    mirror = NodeMirror(tmp_path / "tree")
    model = runtime.load(tiny_neff())
    mirror.refresh()
    loaded = (used / "present").read_text()
    assert (used / "peak").read_text() == loaded != "0\n"
    runtime.unload(model)
    runtime.close()
    mirror.refresh()
    assert (used / "present").read_text() == "0\n"
    assert (used / "peak").read_text() == loaded
    assert (used / "tensors/peak").read_text() != "0\n"


def test_what_is_not_known_has_no_file(tmp_path):
    export_tree(TreeContent(make_snapshot(runtimes=BUSY)), tmp_path)
    status = tmp_path / "neuron0/neuron_core0/stats/status"
    assert (status / "success/present").read_text() == "100\n"
    assert not (status / "success/total").exists()
    assert not (status / "timeout").exists()
    assert SysfsSource(tmp_path).snapshot().devices[0].cores[0].status.success is None


def test_files_are_replaced_whole_and_only_when_they_change(tmp_path):
    export_tree(TreeContent(make_snapshot()), tmp_path)
    files = {p: p.stat().st_ino for p in tmp_path.rglob("*") if p.is_file()}
    export_tree(TreeContent(make_snapshot(runtimes=BUSY[:1])), tmp_path)
    changed = {
        p.relative_to(tmp_path).parts[0] for p, inode in files.items() if p.exists() and p.stat().st_ino != inode
    }
    assert changed == {"mirror.json", "neuron0"}
    assert not list(tmp_path.rglob(".new-*"))


def test_a_smaller_node_takes_the_place_of_a_larger_one(tmp_path):
    export_tree(TreeContent(make_snapshot("inf1.6xlarge")), tmp_path)
    export_tree(TreeContent(make_snapshot("inf1.xlarge")), tmp_path)
    assert [d.index for d in SysfsSource(tmp_path).snapshot().devices] == [0]


def test_nothing_is_written_among_other_files(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(NodeError, match="not empty"):
        export_tree(TreeContent(make_snapshot()), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_mirror_is_private(tmp_path):
    export_tree(TreeContent(make_snapshot()), tmp_path / "mirror")
    assert stat.S_IMODE(os.stat(tmp_path / "mirror").st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "mirror").rglob("present")} == {0o600}


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"instance": 7}', b"[" * 100_000])
def test_a_broken_mirror_file_is_as_good_as_none(tmp_path, content):
    export_tree(TreeContent(make_snapshot()), tmp_path)
    (tmp_path / "mirror.json").write_bytes(content)
    snapshot = SysfsSource(tmp_path).snapshot()
    assert snapshot.instance.instance_type == "inf1.6xlarge"
    assert snapshot.runtimes == ()


def test_a_mirror_file_that_is_a_pipe_holds_nobody_up(tmp_path):
    export_tree(TreeContent(make_snapshot()), tmp_path)
    (tmp_path / "mirror.json").unlink()
    os.mkfifo(tmp_path / "mirror.json")
    assert SysfsSource(tmp_path).snapshot().runtimes == ()


def test_there_is_no_mirror_without_a_node(tmp_path):
    with pytest.raises(NodeNotFoundError):
        NodeMirror(tmp_path / "mirror").refresh()
    assert not (tmp_path / "mirror").exists()
