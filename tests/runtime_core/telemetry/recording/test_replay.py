"""A recording as a source: correct snapshots at each time, and a node that every viewer can read."""

import json
import signal

import pytest
from worlds import BUSY, SECOND, make_snapshot

from runtime_core.driver.datastore import Datastore
from runtime_core.driver.node import read_info, set_up, take_down
from runtime_core.errors import NodeError, NodeNotFoundError, UsageError
from runtime_core.nrt import Runtime
from runtime_core.telemetry import open_source, rates
from runtime_core.telemetry.recording import Recording, RecordingWriter, ReplaySource
from runtime_core.telemetry.recording.node import start_replay


class Clock:
    """A clock that advances only when it is set or slept."""

    def __init__(self):
        self.ns = 5 * SECOND

    def now_ns(self):
        return self.ns

    def sleep(self, seconds):
        self.ns += round(seconds * SECOND)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    target = tmp_path / "minute.nrec"
    out = RecordingWriter(target, source="sim:test", interval_seconds=1.0)
    for number in range(61):
        out.add(make_snapshot(seconds=1.0 + number, runtimes=BUSY))
    out.close()
    return target


@pytest.fixture
def replay(path, clock):
    return lambda **options: ReplaySource(path, clock_ns=clock.now_ns, sleep=clock.sleep, **options)


def shown(source):
    return source.snapshot().time_ns / SECOND


def test_time_goes_on_as_recorded(replay, clock):
    source = replay()
    assert shown(source) == 1
    clock.ns += 10 * SECOND
    assert shown(source) == 11
    assert source.snapshot().source == source.name


def test_speed_and_start_can_be_chosen(replay, clock):
    source = replay(speed=10, seek_seconds=20)
    assert shown(source) == 21
    clock.ns += SECOND
    assert shown(source) == 31


def test_whoever_looks_as_often_as_was_recorded_sees_every_snapshot_once(replay, clock):
    source = replay()
    seen = [shown(source)]
    for early_ns in (3_000_000, -2_000_000, 5_000_000, 0):
        clock.ns += SECOND - early_ns
        seen.append(shown(source))
    assert seen == [1, 2, 3, 4, 5]


def test_rates_are_those_of_the_recorded_time(replay, clock):
    source = replay(speed=10)
    before = source.snapshot(host=True)
    clock.ns += SECOND
    after = source.snapshot(host=True)
    between = rates(before, after)
    assert between.seconds == 10
    assert between.core_utilization()[0] == pytest.approx(0.5)
    assert between.host is not None


def test_the_host_is_shown_only_when_asked_for(replay):
    source = replay()
    assert source.snapshot().host is None
    assert source.snapshot(host=True).host is not None


def test_after_its_end_there_is_no_node(replay, clock):
    source = replay(seek_seconds=60)
    assert shown(source) == 61
    clock.ns += 5 * SECOND
    with pytest.raises(NodeNotFoundError, match="has ended"):
        source.snapshot()


def test_a_recording_takes_the_place_of_a_node(path, root):
    start_replay(root, path, speed=1.0, seek_seconds=30.0)
    source = open_source("sim")
    assert source.snapshot().time_ns >= 31 * SECOND
    assert source.snapshot().instance.instance_type == "inf1.6xlarge"
    start_replay(root, path, speed=1.0, seek_seconds=0.0)
    assert source.snapshot().time_ns < 10 * SECOND
    with pytest.raises(NodeError, match="replays a recording"):
        set_up(root)
    for call in (lambda: read_info(root), lambda: Datastore(root, writable=True)):
        with pytest.raises(NodeNotFoundError, match="is read-only"):
            call()
    take_down(root)
    with pytest.raises(NodeNotFoundError, match="has ended"):
        source.snapshot()
    assert not root.exists()


def test_a_node_is_not_replaced_by_a_recording(path, node):
    with pytest.raises(NodeError, match="holds a simulated node"):
        start_replay(node, path, speed=1.0, seek_seconds=0.0)


def test_a_damaged_replay_file_is_told_in_a_sentence(root, path):
    start_replay(root, path, speed=1.0, seek_seconds=0.0)
    (root / "replay.json").write_text('{"recording": 3}')
    with pytest.raises(NodeError, match="is damaged"):
        open_source("sim").snapshot()


def test_a_source_can_be_a_recording(path):
    assert open_source(f"replay:{path}").snapshot().runtimes[0].tag == "web"
    with pytest.raises(UsageError, match="replay:FILE"):
        open_source("replay")


@pytest.mark.parametrize(("text", "seconds"), [("30", 30), ("0:45", 45), ("0:00:59.5", 59.5)])
def test_moments_are_understood(path, text, seconds):
    from neuron_tools.sim.recording_commands import parse_moment

    assert parse_moment(text, Recording(path)) == seconds


def test_a_time_of_day_is_a_moment_too(path):
    from neuron_tools.sim.recording_commands import _clock, parse_moment

    recording = Recording(path)
    text = _clock(recording.times_ns[0] + 20 * SECOND).removesuffix("Z")
    assert parse_moment(text, recording) == pytest.approx(20, abs=1)


@pytest.mark.parametrize("text", ["soon", "61", "-1", "1:2:x", "2020-01-01T00:00", "nan"])
def test_moments_outside_are_refused(path, text):
    from neuron_tools.sim.recording_commands import parse_moment

    with pytest.raises(UsageError, match="--seek"):
        parse_moment(text, Recording(path))


@pytest.mark.e2e
def test_every_viewer_shows_what_was_recorded(node, tmp_path, spawn, command, wait, squeezenet_neff):
    target = tmp_path / "run.nrec"
    spawn("neuron_tools.sim", "run", squeezenet_neff, "--no-numerics", "--duration", "0", "--rate", "300", "--tag",
          "web", NEURON_RT_VISIBLE_CORES="0,5")  # fmt: skip
    wait(lambda: any(r.executions.completed for r in open_source("sim").snapshot().runtimes))
    recorder = spawn("neuron_tools.sim", "record", target, "--interval", "0.1", "--json")

    def recorded():
        try:
            return len(Recording(target))
        except Exception:
            return 0

    wait(lambda: recorded() >= 25)
    recorder.send_signal(signal.SIGINT)
    out, errors = recorder.communicate(timeout=20)
    assert (recorder.returncode, errors) == (0, "")
    assert json.loads(out)["snapshots"] == len(Recording(target)) >= 25
    again = command("neuron_tools.sim", "record", target)
    assert (again.returncode, again.stdout) == (1, "")

    elsewhere = {"NEURON_SIM_ROOT": str(tmp_path / "replayed")}
    done = command("neuron_tools.sim", "replay", target, "--speed", "0.25", **elsewhere)
    assert done.returncode == 0, done.stderr
    listed = json.loads(command("neuron_ls", "-j", **elsewhere).stdout)
    assert [len(d["neuron_processes"]) for d in listed] == [1, 1, 0, 0]
    top = command("neuron_top", "--once", "--interval", "1", **elsewhere).stdout
    assert "web" in top
    report = json.loads(command("neuron_monitor", "--once", **elsewhere).stdout)
    stats = report["neuron_runtime_data"][0]["report"]["execution_stats"]
    rate = stats["execution_summary"]["completed"] / stats["period"]
    assert rate == pytest.approx(300, rel=0.35)
    down = command("neuron_tools.sim", "down", **elsewhere)
    assert down.returncode == 0
    assert command("neuron_ls", **elsewhere).returncode == 1


@pytest.mark.e2e
def test_a_real_nodes_sysfs_is_recorded_as_it_is(node, tmp_path, command):
    """Figures that sysfs lacks are not available in the recording, and are not shown as 0."""
    with Runtime(environment={"NEURON_RT_VISIBLE_CORES": "0-1", "NEURON_PROCESS_TAG": "web"}):
        assert command("neuron_tools.sim", "sysfs", "--export", tmp_path / "tree").returncode == 0
        spec = f"sysfs:{tmp_path / 'tree'}"
        target = tmp_path / "sysfs.nrec"
        done = command("neuron_tools.sim", "record", target, "--source", spec, "--interval", "0.2", "--duration", "1")
        assert done.returncode == 0, done.stderr
        recording = Recording(target)
        assert recording.header.source == spec
        now, recorded = open_source(spec).snapshot(), recording.snapshot(len(recording) - 1)
    assert recorded.devices == now.devices
    assert recorded.instance == now.instance
    assert any(None in device.ecc for device in recorded.devices)
