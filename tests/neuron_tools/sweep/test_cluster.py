"""A sweep on a real Dask cluster."""

import os
import signal

import msgspec
import pytest

from neuron_tools.sweep import cluster
from neuron_tools.sweep.choose import engine_of
from neuron_tools.sweep.job import Here
from neuron_tools.sweep.options import Choice
from neuron_tools.sweep.plan import scenario_plan
from runtime_core.errors import NeuronError

distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")

SCENARIO = """
scenario: short
instance: inf1.xlarge
duration: 25s
models:
  small: {milliseconds: 10}
applications:
  - {tag: web, cores: "0", models: [small], arrivals: {poisson: 30}}
expectations:
  - {expect: completed web > 0}
"""


@pytest.fixture(scope="module")
def dask():
    """A scheduler and two workers, each a process with one thread."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", silence_logs=50
    ) as made:
        yield made


@pytest.fixture
def jobs(tmp_path):
    file = tmp_path / "short.yaml"
    file.write_text(SCENARIO)
    return scenario_plan(str(file), "0-5").jobs


def engine(dask):
    return engine_of(Choice(dask.scheduler_address.replace("tcp://", "dask://")))


# Two processes start, and a third one replaces the killed one.
@pytest.mark.timeout(180)
def test_dask_gives_the_same_results_though_a_worker_is_killed(dask, jobs):
    running = engine(dask).run(jobs)
    first = next(running)
    # Its nanny starts another one, like Kubernetes or a batch system.
    os.kill(dask.workers[0].process.pid, signal.SIGKILL)
    found = {done.number: msgspec.json.encode(done) for done in (first, *running)}
    assert found == {done.number: msgspec.json.encode(done) for done in Here().run(jobs)}


def test_a_worker_of_another_version_is_refused(dask, jobs, monkeypatch):
    monkeypatch.setattr(cluster, "__version__", "0.0.0")
    with pytest.raises(NeuronError, match=r"has version .* not 0\.0\.0"):
        next(engine(dask).run(jobs))


def test_no_scheduler_is_one_line(jobs, monkeypatch):
    monkeypatch.setattr(cluster, "_TIMEOUT_SECONDS", 0.2)
    with pytest.raises(NeuronError, match="no Dask scheduler responds") as told:
        next(engine_of(Choice("dask://127.0.0.1:1")).run(jobs))
    assert told.value.where == "tcp://127.0.0.1:1"
