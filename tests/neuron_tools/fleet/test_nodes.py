"""A node whose counters are computed equals one that executes each request, and its counters never go back."""

import random
from pathlib import Path

import msgspec
import pytest

from neuron_tools.fleet.calibrate import Line, lines_of
from neuron_tools.fleet.compare import compare
from neuron_tools.fleet.draws import Draws
from neuron_tools.fleet.node import FleetNode, Nodes
from neuron_tools.fleet.schema import load_fleet, nodes_of
from neuron_tools.fleet.timeline import FOREVER_NS, Fault
from neuron_tools.scenario.schema import EventSpec
from runtime_core.errors import UsageError

SECOND_NS = 10**9
FLEET = """
fleet: example
seed: 7
models:
  small: {milliseconds: 10}
groups:
  - name: web
    count: 2
    instance: inf1.xlarge
    zone: eu-west-1a
    applications:
      - {tag: web, cores: "0-2", models: [small], arrivals: {poisson: 60}, threads: 3}
      - {tag: batch, cores: "3", models: [small], arrivals: {constant: 20}}
"""


@pytest.fixture
def fleet_file(tmp_path):
    path = tmp_path / "fleet.yaml"
    path.write_text(FLEET)
    return path


def figures(page):
    return {line.head: line for line in lines_of(page) if isinstance(line, Line)}


def test_a_node_equals_one_that_executes_each_request(fleet_file):
    fleet = load_fleet(fleet_file)
    kinds = {kind.what: kind for kind in compare(fleet, fleet_file.parent, nodes_of(fleet)[1], 400 * SECOND_NS + 123)}
    assert all(kind.met for kind in kinds.values())
    assert sum(kind.lines for kind in kinds.values()) > 140
    assert kinds["all other lines"].equal == kinds["all other lines"].lines > 60
    # No more than the requests in progress, one on each core.
    assert kinds["executions of random arrivals"].limit == 3


CURVES = """
      - {tag: day, cores: "0-1", models: [small], arrivals: {diurnal: {low: 5, high: 60, period: 1h}}, threads: 2}
      - {tag: loop, cores: "2", models: [small], arrivals: {closed: {think: 5ms}}}
"""


def test_curves_and_closed_clients_equal_too(fleet_file):
    fleet_file.write_text(FLEET[: FLEET.index("      - {tag: web")] + CURVES.lstrip("\n"))
    fleet = load_fleet(fleet_file)
    kinds = compare(fleet, fleet_file.parent, nodes_of(fleet)[0], 400 * SECOND_NS)
    assert [kind.what for kind in kinds if not kind.met] == []


def test_a_page_that_is_wrong_exceeds_a_limit(fleet_file, monkeypatch):
    fleet = load_fleet(fleet_file)
    # Each request in a hundred is lost.
    honest = FleetNode._arrived
    monkeypatch.setattr(FleetNode, "_arrived", lambda *a: honest(*a) * 99 // 100)
    kinds = compare(fleet, fleet_file.parent, nodes_of(fleet)[1], 60 * SECOND_NS)
    assert "executions of random arrivals" in [kind.what for kind in kinds if not kind.met]


def test_nodes_with_a_fault_before_the_time_are_not_compared(fleet_file):
    fleet_file.write_text(FLEET + "    maintenance: {every: 3m, for: 20s}\n")
    fleet = load_fleet(fleet_file)
    with pytest.raises(UsageError, match="has a fault or a maintenance"):
        compare(fleet, fleet_file.parent, nodes_of(fleet)[1], 600 * SECOND_NS)


def test_counters_never_go_back_whatever_happens(fleet_file):
    fleet = load_fleet(fleet_file)
    node = Nodes(fleet, fleet_file.parent).by_name["web-0000"]
    hung = EventSpec("0s", fault="core-hang", cores="3")
    failing = EventSpec("0s", fault="execution-error", ratio=0.2, error="model")
    rng, before, at_ns = random.Random(1), {}, 0
    for step in range(400):
        at_ns += rng.randrange(1, 40 * SECOND_NS)
        if step == 100:
            node.faults = (Fault(at_ns, at_ns + 300 * SECOND_NS, hung),)
        if step == 200:
            node.faults = (*node.faults, Fault(at_ns, FOREVER_NS, failing))
        page = figures(node.page(at_ns))
        now = {head: float(line.value) for head, line in page.items() if line.kind in ("counter", "histogram")}
        assert all(now[head] >= value for head, value in before.items()), step
        before = now
    assert next(value for head, value in before.items() if '"timed_out"' in head and '"batch"' in head) > 100
    assert next(value for head, value in before.items() if '"model"' in head and '"web"' in head) > 1000


def test_a_page_depends_on_the_seed_and_the_time_only(fleet_file):
    fleet = load_fleet(fleet_file)
    one, other = (Nodes(fleet, fleet_file.parent).by_name["web-0001"] for _ in range(2))
    for at in (10, 20, 5000, 9000):
        one.page(at * SECOND_NS)
    assert one.page(3000 * SECOND_NS) == other.page(3000 * SECOND_NS)
    reseeded = Nodes(msgspec.structs.replace(fleet, seed=8), fleet_file.parent).by_name["web-0001"]
    assert reseeded.page(3000 * SECOND_NS) != other.page(3000 * SECOND_NS)


def test_draws_count_what_they_list():
    span = 1000, 3_600_000_000_000, 20_000.0
    times = list(Draws(3, 5).times_ns(2, *span))
    assert times == sorted(times)
    assert len(times) == pytest.approx(20_000, abs=600)
    asked = Draws(3, 5)
    for at_ns in [*random.Random(2).sample(range(0, span[1]), 50), *times[:20], times[-1] + 1]:
        assert asked.count(2, *span, at_ns) == sum(time_ns < at_ns for time_ns in times)
    assert list(Draws(3, 6).times_ns(2, *span)) != times


def test_maintenance_takes_nodes_down_in_turn_and_counters_begin_again(tmp_path):
    path = tmp_path / "fleet.yaml"
    path.write_text(FLEET + "    maintenance: {every: 3h, for: 10m}\n")
    nodes = Nodes(load_fleet(path), tmp_path).by_name
    down = {name: [m for m in range(180) if node.page(m * 60 * SECOND_NS) is None] for name, node in nodes.items()}
    assert [len(minutes) for minutes in down.values()] == [10, 10]
    assert not {*down["web-0000"]} & {*down["web-0001"]}
    booted = figures(nodes["web-0000"].page((down["web-0000"][-1] + 2) * 60 * SECOND_NS))
    assert next(float(v.value) for head, v in booted.items() if '"completed"' in head and '"batch"' in head) < 2500


def test_overload_is_refused(tmp_path):
    path = tmp_path / "fleet.yaml"
    path.write_text(FLEET.replace("constant: 20", "constant: 120"))
    with pytest.raises(UsageError, match="'batch' receives 120 requests per second and serves 9"):
        Nodes(load_fleet(path), tmp_path).prepare()


@pytest.mark.parametrize(
    ("old", "new", "line", "text"),
    [
        ("count: 2", "count: 0", 8, "count"),
        ("constant: 20", "trace: x", 13, "do not replay traces"),
        ('cores: "3"', 'cores: "9"', 13, "no NeuronCore 9"),
        ("zone: eu", "zon: eu", 10, "zon"),
        ("tag: batch", "tag: web", 12, "two applications"),
        ("    zone", "    failures: [{every: 1h, fault: {fault: core-hang}}]\n    zone", 10, "expected fault and for"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path, old, new, line, text):
    path = tmp_path / "fleet.yaml"
    path.write_text(FLEET.replace(old, new))
    with pytest.raises(UsageError, match=text) as told:
        load_fleet(path)
    assert told.value.where == f"{path}:{line}"


def test_a_reduced_page_is_a_part_of_the_full_one(fleet_file):
    fleet = load_fleet(fleet_file)
    full, reduced = (
        figures(Nodes(fleet, Path(fleet_file).parent, reduced=part).by_name["web-0000"].page(500 * SECOND_NS))
        for part in (False, True)
    )
    assert len(reduced) < len(full) / 3
    assert all(full[head] == line for head, line in reduced.items())
