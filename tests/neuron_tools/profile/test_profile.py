"""A profile adds up to the engine's time, names the limit of each part, and is valid for readers of its formats."""

import gzip
import json

import pytest
from small_models import small_neff

from neuron_tools.profile.hottest import hottest, shares_by_bound
from neuron_tools.profile.xplane import xspace
from neuron_tools.profile.xplane_pb2 import XSpace
from neuron_tools.scenario.models import made_to_measure
from runtime_core.engine.timing.chrome_trace import chrome_trace
from runtime_core.engine.timing.timeline import Bound, timeline_of
from runtime_core.instance import instance_type
from runtime_core.neff.reader import read_neff
from runtime_core.virtual.node import VirtualNode

SIZE = instance_type("inf1.6xlarge")


def of(neff, cores):
    return timeline_of(read_neff(neff).graph, SIZE, cores)


@pytest.mark.parametrize(
    "options", [{}, {"weights": 8, "seconds": 0.003}, {"cores": 5, "weights": 4}, {"cores": 13, "seconds": 0.01}]
)
def test_it_takes_as_long_as_an_execution(options):
    neff = small_neff(**options)
    cores = range(options.get("cores", 1))
    timeline = of(neff, cores)
    with VirtualNode("inf1.6xlarge") as node:
        runtime = node.runtime(cores=f"0-{len(cores) - 1}")
        result = runtime.infer(runtime.load(neff, 0), {})
    assert timeline.total_ns == pytest.approx(result.total_ns, abs=len(timeline.spans))
    on_cores = sum(s.duration_ns for s in timeline.spans if s.track.core is not None and not s.detail)
    assert on_cores == pytest.approx(result.device_ns, abs=len(timeline.spans))


def test_spans_follow_one_another_without_gaps():
    timeline = of(small_neff(cores=13, weights=8, seconds=0.002), range(13))
    now = 0
    for span in timeline.spans:
        if not span.detail:
            assert span.start_ns == pytest.approx(now, abs=2)
            now = span.start_ns + span.duration_ns
    assert now == pytest.approx(timeline.total_ns, abs=2)
    details = [s for s in timeline.spans if s.detail]
    assert all(0 <= s.start_ns <= s.start_ns + s.duration_ns <= timeline.total_ns for s in details)


def test_links_are_crossed_one_after_the_other():
    links = [s for s in of(small_neff(cores=13), range(13)).spans if s.bound is Bound.LINK]
    assert [(s.track.device, s.track.lane) for s in links] == [(0, "East link"), (1, "East link"), (2, "East link")]
    assert all(s.size_bytes == 256 for s in links)


def test_what_limits_is_named():
    slow = hottest(of(small_neff(seconds=0.05), [0]))
    assert slow[0].bound is Bound.COMPUTE
    assert slow[0].share > 0.9
    # 200 MiB of weights with little arithmetic, read from DRAM at every execution.
    starved = timeline_of(made_to_measure("large", 0.001, 200).graph, SIZE, [0])
    assert hottest(starved)[0].bound is Bound.DRAM
    assert shares_by_bound(starved)[Bound.DRAM] > 0.5


def test_shares_add_up():
    timeline = of(small_neff(weights=16, width=1024, cores=5), range(5))
    rows = hottest(timeline)
    assert sum(row.share for row in rows) == pytest.approx(1, abs=1e-4)
    assert sum(shares_by_bound(timeline).values()) == pytest.approx(1, abs=1e-4)
    assert [row.duration_ns for row in rows] == sorted((row.duration_ns for row in rows), reverse=True)


def test_the_trace_is_what_perfetto_opens():
    timeline = of(small_neff(cores=5, weights=4, seconds=0.001), range(5))
    trace = json.loads(chrome_trace(timeline))
    events = trace["traceEvents"]
    spans = [e for e in events if e["ph"] == "X"]
    assert len(spans) == len(timeline.spans)
    assert {e["ph"] for e in events} == {"X", "M"}
    named = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
    processes = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    assert {(e["pid"], e["tid"]) for e in spans} == named.keys()
    assert set(processes.values()) == {"Host", "Neuron Device 0", "Neuron Device 1"}
    assert max(e["ts"] + e["dur"] for e in spans) == pytest.approx(timeline.total_ns / 1000, abs=0.01)


def test_the_profile_is_what_tensorboard_reads():
    timeline = of(small_neff(cores=5, weights=4, seconds=0.001), range(5))
    space = XSpace.FromString(xspace(timeline))
    assert [p.name for p in space.planes] == [
        "/host:CPU", "/device:CUSTOM:Neuron Device 0", "/device:CUSTOM:Neuron Device 1"
    ]  # fmt: skip
    events = [(p, line, e) for p in space.planes for line in p.lines for e in line.events]
    assert len(events) == len(timeline.spans)
    for plane, _, event in events:
        assert plane.event_metadata[event.metadata_id].name
        assert all(plane.stat_metadata[stat.metadata_id].name for stat in event.stats)
    assert max(e.offset_ps + e.duration_ps for _, _, e in events) // 1000 == pytest.approx(timeline.total_ns, abs=2)


def test_the_command_writes_and_prints(command, squeezenet_neff, tmp_path):
    out = tmp_path / "t.json.gz"
    done = command("neuron_tools.profile", "capture", squeezenet_neff, "-o", out, "--tensorboard", tmp_path / "logs")
    assert done.returncode == 0, done.stderr
    assert json.loads(gzip.decompress(out.read_bytes()))["traceEvents"]
    (profile,) = (tmp_path / "logs").glob("plugins/profile/*/neuron-sim.xplane.pb")
    assert XSpace.FromString(profile.read_bytes()).planes
    view = command("neuron_tools.profile", "view", squeezenet_neff, "--rows", "3").stdout
    assert "ms per execution, bound by" in view
    assert "more operators take" in view
    facts = json.loads(command("neuron_tools.profile", "view", squeezenet_neff, "--json").stdout)
    assert sum(facts["bounds"].values()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["none.neff"], 1), (["{neff}", "--start-core", "64"], 2), (["{neff}", "-o", "/no/such/folder/t.json"], 1)],
)
def test_what_is_wrong_is_one_line(command, squeezenet_neff, arguments, code):
    done = command("neuron_tools.profile", "capture", *(a.format(neff=squeezenet_neff) for a in arguments))
    assert (done.returncode, done.stdout) == (code, "")
    assert len(done.stderr.splitlines()) == 1
