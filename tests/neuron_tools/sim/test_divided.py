"""How ``neuron-sim run --processes`` divides cores and rate."""

from pathlib import Path

import pytest

from neuron_tools.sim.load import LoadPlan
from neuron_tools.sim.run_processes import divided
from runtime_core.errors import UsageError
from runtime_core.nrt import NrtError


def plan(**changes):
    return LoadPlan((Path("m.neff"),), None, None, 2, None, 1.0, None, False)._replace(**changes)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("NEURON_RT_VISIBLE_CORES", "NEURON_RT_NUM_CORES", "NEURONCORE_GROUP_SIZES"):
        monkeypatch.delenv(name, raising=False)


def cores(plans):
    return [(p.visible_cores, p.num_cores) for p in plans]


def test_the_cores_that_are_named_are_divided_in_runs():
    assert cores(divided(plan(visible_cores="0-7", processes=3))) == [("0-1", None), ("2-4", None), ("5-7", None)]
    assert cores(divided(plan(visible_cores="1,4-5,9", processes=2))) == [("1,4", None), ("5,9", None)]


def test_a_number_of_cores_is_divided_as_a_number():
    assert cores(divided(plan(num_cores=6, processes=4))) == [(None, 1), (None, 2), (None, 1), (None, 2)]


def test_without_either_the_cores_of_the_node_are_divided(node, monkeypatch):
    assert cores(divided(plan(processes=2))) == [("0-7", None), ("8-15", None)]
    # As in a container: two of the four devices.
    monkeypatch.setenv("AWS_NEURON_VISIBLE_DEVICES", "1-2")
    assert cores(divided(plan(processes=2))) == [("4-7", None), ("8-11", None)]


def test_each_process_has_its_part_of_the_rate():
    assert [p.rate_per_second for p in divided(plan(num_cores=4, processes=4, rate_per_second=100.0))] == [25.0] * 4


def test_more_processes_than_cores_are_refused():
    with pytest.raises(UsageError, match=r"more processes than NeuronCores \(2\)"):
        divided(plan(visible_cores="0-1", processes=3))
    with pytest.raises(NrtError, match="banana"):
        divided(plan(visible_cores="banana", processes=3))
