"""Series over a grid are what the pages of a node show at each of its times."""

import random

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from neuron_tools.fleet.draws import Draws
from neuron_tools.fleet.node import Nodes
from neuron_tools.fleet.own import OWN_PAGE
from neuron_tools.fleet.schema import load_fleet
from neuron_tools.fleet.series import NodeSeries, PageSeries

SECOND_NS = 10**9
FLEET = """
fleet: example
seed: 3
models:
  small: {milliseconds: 10}
groups:
  - name: web
    count: 2
    instance: inf1.xlarge
    zone: eu-west-1a
    applications:
      - {tag: web, cores: "0-1", models: [small], arrivals: {poisson: 40}, threads: 2}
      - {tag: batch, cores: "3", models: [small], arrivals: {constant: 20}}
    failures:
      - {every: 90m, fault: {fault: execution-error, ratio: 0.1, error: model, for: 10m}}
    maintenance: {every: 3h, for: 10m}
  - name: day
    count: 1
    instance: inf1.xlarge
    applications:
      - {tag: day, cores: "0", models: [small], arrivals: {diurnal: {low: 10, high: 30, period: 24h}}}
"""


@pytest.fixture
def nodes(tmp_path):
    path = tmp_path / "fleet.yaml"
    path.write_text(FLEET)
    return Nodes(load_fleet(path), tmp_path)


def figures(pairs):
    """By name and labels, without those that the target adds."""
    added = ("__name__", "job", "instance", "zone", "instance_type")
    return {(name, frozenset(pair for pair in labels if pair[0] not in added)): value for name, labels, value in pairs}


def expected(page):
    for family in text_string_to_metric_families("" if page is None else page + OWN_PAGE):
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                yield sample.name, sample.labels.items(), sample.value
    yield "up", (), float(page is not None)


def held(store, number):
    for name, columns in store.families.items():
        for labels, values, present in zip(columns.labels, columns.values, columns.present, strict=True):
            if present[number]:
                yield name, labels, values[number]


@pytest.mark.parametrize("name", ["web-0001", "day-0000"])
def test_a_grid_holds_what_each_page_shows(nodes, name):
    node = nodes.by_name[name]
    at_ns = np.arange(0, 170 * 60, 60, dtype=np.int64) * SECOND_NS + 77
    store = NodeSeries(node, PageSeries(None), "eu-west-1a").over(at_ns, 0, 60.0)
    down = []
    for number in [*range(0, 110, 10), *range(115, 135)]:
        page = node.page(int(at_ns[number]))
        down.append(page is None)
        assert figures(held(store, number)) == figures(expected(page)), number
    if name == "web-0001":
        errors = [
            values.max()
            for labels, values in zip(*store.families["execution_errors_total"][:2], strict=True)
            if ("error_type", "model") in labels
        ]
        assert max(errors) > 0
        assert 0 < sum(down) < len(down)


def test_a_grid_of_some_names_has_no_others(nodes):
    names = {"execution_status_total", "up"}
    store = NodeSeries(nodes.by_name["web-0000"], PageSeries(names), "a").over(np.array([10, 70]) * SECOND_NS, 0, 60.0)
    assert {*store.families} == names
    assert dict(store.families["up"].labels[0]) == {
        "__name__": "up", "job": "neuron-monitor", "instance": "web-0000", "zone": "a", "instance_type": "inf1.xlarge"
    }  # fmt: skip


def test_many_counts_are_those_of_each_time():
    span = 1000, 3_600_000_000_000, 20_000.0
    rng = random.Random(1)
    at_ns = np.array(sorted([0, 1000, span[1], span[1] + 5, *(rng.randrange(0, span[1]) for _ in range(300))]))
    one = Draws(3, 5)
    assert Draws(3, 5).counts(2, *span, at_ns).tolist() == [one.count(2, *span, int(at)) for at in at_ns]
