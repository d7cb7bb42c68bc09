"""The length of a run: its duration, however many executions are due in it."""

import os
from pathlib import Path

import pytest
from conftest import wait_for
from small_models import small_neff

from neuron_tools.sim.load import Load, LoadPlan
from neuron_tools.sim.load_results import summarize
from runtime_core.nrt import Runtime


@pytest.fixture
def run(node):
    """Run a plan on one core; returns its summary."""

    def ran(**changes):
        plan = LoadPlan((Path("m.neff"),), None, None, 2, None, 0.4, None, False)._replace(**changes)
        with Runtime(environment={"NEURON_RT_VISIBLE_CORES": "0"}, numerics=False) as runtime:
            load = Load(runtime, plan, [(Path("m.neff"), small_neff())])
            before = load.start()
            wait_for(lambda: not load.running)
            return summarize([load.result(before, load.stop())], tag="", pid=os.getpid(), numerics=False)

    return ran


@pytest.mark.parametrize(("rate", "count"), [(5.0, 2), (0.1, 1), (20.0, 8)])
def test_a_run_at_a_rate_lasts_its_duration_and_reports_no_more_than_was_due(run, rate, count):
    summary = run(rate_per_second=rate)
    assert summary.executions == count
    assert summary.seconds >= 0.4
    assert summary.throughput_per_second <= count / 0.4


def test_a_run_without_a_rate_lasts_its_duration(run):
    summary = run()
    assert summary.executions > 0
    assert summary.seconds >= 0.4
