"""Sweeps: equal results from every engine, after lost workers, and after an interruption."""

import dataclasses
import json
import multiprocessing
import os
import re
import signal

import msgspec
import pytest

from neuron_tools.sweep import command
from neuron_tools.sweep.choose import engine_of
from neuron_tools.sweep.files import check_files, input_file
from neuron_tools.sweep.job import Done, Here, Job
from neuron_tools.sweep.local import LocalEngine
from neuron_tools.sweep.options import Choice
from neuron_tools.sweep.plan import AdviseGrid, BenchGrid, advise_plan, bench_plan, fleet_plan, scenario_plan
from neuron_tools.sweep.store import Store, sweep_of
from runtime_core.errors import NeuronError, UsageError
from runtime_core.neff.writer import encode_neff

SCENARIO = """
scenario: short
instance: inf1.xlarge
duration: 40s
models:
  small: {milliseconds: 10}
applications:
  - {tag: web, cores: "0", models: [small], arrivals: {poisson: 30}}
expectations:
  - {expect: completed web > 1180}
"""
FLEET = """
fleet: small
models:
  small: {milliseconds: 10}
groups:
  - name: web
    count: 2
    instance: inf1.xlarge
    applications:
      - {tag: web, cores: "0", models: [small], arrivals: {poisson: 20}}
"""


@pytest.fixture
def plan(tmp_path):
    """Six seeds of a scenario."""
    file = tmp_path / "short.yaml"
    file.write_text(SCENARIO)
    return scenario_plan(str(file), "0-5")


@pytest.fixture
def here(monkeypatch):
    """Commands run their jobs in this process."""
    monkeypatch.setattr(command, "engine_of", lambda choice: Here())


def ends(engine, jobs):
    return {done.number: msgspec.json.encode(done) for done in engine.run(jobs)}


def options(out=None, as_json=False):
    return command.SweepOptions(Choice(), out, as_json)


def test_processes_give_the_same_results_and_a_lost_one_is_replaced(plan):
    expected = ends(Here(), plan.jobs)
    running = LocalEngine(2).run(plan.jobs)
    first = next(running)
    lost = multiprocessing.active_children()[0]
    os.kill(lost.pid, signal.SIGKILL)
    found = {done.number: msgspec.json.encode(done) for done in (first, *running)}
    assert not lost.is_alive()
    assert found == expected
    assert len(set(expected.values())) == 6
    assert multiprocessing.active_children() == []


def test_a_job_whose_workers_die_again_and_again_is_given_up(plan, monkeypatch):
    monkeypatch.setattr("neuron_tools.sweep.local._ATTEMPTS", 1)
    running = LocalEngine(1).run(plan.jobs[:2])
    next(running)
    for child in multiprocessing.active_children():
        os.kill(child.pid, signal.SIGKILL)
        child.join()
    assert "died 1 times (status -9)" in next(running).error


def test_leaving_early_ends_the_processes(plan):
    running = LocalEngine(2).run(plan.jobs)
    next(running)
    running.close()
    assert multiprocessing.active_children() == []


def test_results_are_written_as_they_come_and_a_broken_sweep_continues(plan, tmp_path, monkeypatch, capsys):
    out, ran = tmp_path / "results.ndjson", []

    class Broken(Here):
        def run(self, jobs):
            ran.append([job.number for job in jobs])
            order = iter([*jobs[3:], *jobs[:3]])
            yield from super().run([next(order), next(order)])
            assert out.read_bytes().count(b"\n") == 3
            raise KeyboardInterrupt

    monkeypatch.setattr(command, "engine_of", lambda choice: Broken())
    with pytest.raises(KeyboardInterrupt):
        command.run(plan, options(out))
    assert f"cancelled after 2 of 6 jobs; {out}" in capsys.readouterr().err
    # A killed process leaves an incomplete line.
    out.write_bytes(out.read_bytes()[:-20])
    monkeypatch.setattr(command, "engine_of", lambda choice: Here())
    command.run(plan, options(out))
    assert "5 jobs" in capsys.readouterr().err
    assert ran == [[0, 1, 2, 3, 4, 5]]
    whole = tmp_path / "whole.ndjson"
    command.run(plan, options(whole))
    assert out.read_bytes() == whole.read_bytes()
    assert [json.loads(line)["job"] for line in whole.read_text().splitlines()[1:]] == [0, 1, 2, 3, 4, 5]


def test_the_file_of_another_sweep_is_left_alone(plan, tmp_path, here):
    out = tmp_path / "results.ndjson"
    command.run(plan, options(out))
    before = out.read_bytes()
    other = scenario_plan(str(tmp_path / "short.yaml"), "0-4")
    with pytest.raises(UsageError, match="holds something else"):
        command.run(other, options(out))
    assert out.read_bytes() == before
    out.write_text("my notes\n")
    with pytest.raises(UsageError, match="holds something else"):
        command.run(plan, options(out))
    assert out.read_text() == "my notes\n"


def test_failed_jobs_are_reported_and_tried_again(plan, tmp_path, capsys, here):
    out = tmp_path / "results.ndjson"
    store = Store(out, sweep_of(plan.kind, plan.name, plan.jobs), plan.labels)
    store.add(Done(3, error="no space"))
    assert [job.number for job in store.missing(plan.jobs)] == [0, 1, 2, 4, 5]
    again = Store(out, sweep_of(plan.kind, plan.name, plan.jobs), plan.labels)
    assert [job.number for job in again.missing(plan.jobs)] == [0, 1, 2, 3, 4, 5]


def test_a_sweep_of_seeds_says_which_do_not_meet_an_expectation(plan, capsys, here):
    assert command.run(plan, options(as_json=True)) == 1
    facts = json.loads(capsys.readouterr().out)
    (unmet,) = facts["unmet"].values()
    assert 0 < len(unmet) < 6
    assert facts["met"] == 6 - len(unmet)
    completed = facts["applications"]["web"]["completed"]
    assert completed["min"] < 1180 < completed["max"]
    command.run(plan, options())
    text = capsys.readouterr().out
    assert "web completed" in text
    assert f"{len(unmet)} with expectations that were not met" in text


def test_seeds_of_a_search_and_of_a_fleet(tmp_path, capsys, here):
    scenario, fleet = tmp_path / "short.yaml", tmp_path / "fleet.yaml"
    scenario.write_text(SCENARIO)
    fleet.write_text(FLEET)
    assert command.run(scenario_plan(str(scenario), "3", search=True), options()) == 0
    assert "1 seeds, 0 break an invariant" in capsys.readouterr().out
    assert command.run(fleet_plan([fleet], "1-2", 0.02, "1m"), options(as_json=True)) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [(run["seed"], run["met"]) for run in runs] == [(1, True), (2, True)]


def test_a_grid_of_the_bench_and_questions_for_advice(tmp_path, capsys, make_neff, here):
    model = tmp_path / "model.neff"
    made = make_neff(params_mib=1, flops=10**11)
    model.write_bytes(encode_neff(dataclasses.replace(made, params={"n0": bytes(1 << 20)})))
    grid = BenchGrid(None, None, "1,2", None, "1,2", None, "inf1.xlarge,inf1.2xlarge", 0.5, "0")
    made = bench_plan(model, grid)
    assert len(made.jobs) == 8
    assert command.run(made, options(as_json=True)) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [(r["instance_type"], r["cores"], r["workers"]) for r in results[:2]] == [
        ("inf1.xlarge", 1, 1),
        ("inf1.xlarge", 2, 1),
    ]
    assert results[1]["throughput_per_second"] == pytest.approx(2 * results[0]["throughput_per_second"], rel=0.1)
    asked = advise_plan(model, AdviseGrid("50,100000", "50ms", None, None, "inf1.xlarge", 1, "0"))
    assert command.run(asked, options()) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "1 x inf1.xlarge" in lines[1]
    assert "no setup serves it" in lines[2]


def test_an_error_of_a_job_is_a_result(plan, tmp_path, capsys, here):
    arguments = msgspec.json.decode(plan.jobs[1].arguments)
    arguments["files"] = [{"path": str(tmp_path / "gone.neff"), "sha256": "0"}]
    plan.jobs[1] = Job(1, "scenario", msgspec.Raw(msgspec.json.encode(arguments)))
    assert command.run(plan, options()) == 1
    assert re.search(r"seed 1: .*gone\.neff: cannot be read: No such file or directory", capsys.readouterr().out)


def test_a_defect_in_a_job_does_not_end_the_others(plan, monkeypatch, capsys, here):
    monkeypatch.setattr("neuron_tools.scenario.run.run_scenario", lambda *_: 1 / 0)
    assert command.run(plan, options()) == 1
    text = capsys.readouterr().out
    assert "seed 4: internal error: ZeroDivisionError: division by zero" in text
    assert "1 more jobs failed" in text


def test_a_file_that_differs_on_a_worker_is_refused(tmp_path):
    file = tmp_path / "model.neff"
    file.write_text("one")
    known = input_file(file)
    check_files([known])
    file.write_text("other")
    with pytest.raises(NeuronError, match="differs"):
        check_files([known])


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        (Choice("spark"), "unknown engine 'spark'"),
        (Choice("dask://"), "unknown engine"),
        (Choice("dask://user:secret@host:1"), "unknown engine"),
        (Choice("dask://host:8786", 2), "--workers is for --engine local"),
    ],
)
def test_engines_that_do_not_exist(choice, text):
    with pytest.raises(UsageError, match=text):
        engine_of(choice)


@pytest.mark.parametrize(("seeds", "text"), [("5-1", "descending"), ("x", "not an index"), ("0-90000", "longer")])
def test_bad_seeds_are_refused(plan, tmp_path, seeds, text):
    with pytest.raises(UsageError, match=text):
        scenario_plan(str(tmp_path / "short.yaml"), seeds)
