"""``neuron-sim fleet run``."""

from __future__ import annotations

import datetime
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec

from neuron_console import exit_codes
from neuron_tools.files import write_output
from neuron_tools.fleet.expectations import judged, objectives
from neuron_tools.fleet.run.job import node_rules
from neuron_tools.fleet.run.openmetrics import BYTES_PER_SAMPLE, Spool
from neuron_tools.fleet.run.outcome import NodesResult, added
from neuron_tools.fleet.run.report import FleetRun, as_html, as_json, as_junit, as_text
from neuron_tools.fleet.run.spec import NodesJob, RunSpec, check_spec, jobs_of
from neuron_tools.fleet.run.summary import absent_firings, summary_of, tags_of
from neuron_tools.fleet.schema import Fleet, load_fleet, nodes_of, read_fleet
from neuron_tools.scenario.schema import parse_duration
from neuron_tools.sweep.choose import engine_of
from neuron_tools.sweep.files import model_files
from neuron_tools.sweep.job import Engine, Here, Job, each_end
from neuron_tools.sweep.options import Choice
from neuron_tools.sweep.progress import progress_bar
from runtime_core.errors import NeuronError, UsageError
from runtime_core.instance import instance_type

_MOST_TEXT_BYTES = 1 << 30
_SERIES_PER_CORE, _SERIES_PER_TAG, _SERIES_PER_NODE = 3, 75, 25
"""About, of those that are written."""


class RunPlan(NamedTuple):
    """The command line.

    Attributes:
        file: the fleet file.
        days: how long.
        out: folder of the results.
        step: between two scrapes, a duration.
        seed: in place of the file's.
        start: when the run begins, ISO 8601; ``None``: so that it ends at the last midnight (UTC).
        openmetrics_nodes: how many nodes' series to write; ``None``: as many as fit into a gibibyte.
        openmetrics_step: between two samples that are written; ``None``: ``step``.
        engine: what runs the nodes.
        as_json: print JSON.
    """

    file: Path
    days: float
    out: Path
    step: str = "1m"
    seed: int | None = None
    start: str | None = None
    openmetrics_nodes: int | None = None
    openmetrics_step: str | None = None
    engine: Choice = Choice()
    as_json: bool = False


def run(plan: RunPlan) -> int:
    """Run a fleet and write the reports; returns the exit status, 1 when an expectation is not met.

    Raises:
        UsageError: the file or an option is wrong.
        NeuronError: a result cannot be written, or no worker can run the nodes.
    """
    spec, fleet = spec_of(plan)
    engine = engine_of(plan.engine)
    every = _whole_steps(plan, spec)
    written = written_nodes(fleet, spec, plan.openmetrics_nodes, every)
    _make(plan.out)
    began = time.monotonic()
    done = run_fleet(spec, fleet, engine, written, every, plan.out)
    write_reports(plan.out, done)
    print(as_json(done) if plan.as_json else as_text(done))
    seconds = time.monotonic() - began
    _tell(plan, done, seconds)
    return exit_codes.OK if done.met else exit_codes.FAILURE


def spec_of(plan: RunPlan) -> tuple[RunSpec, Fleet]:
    """The run that a command line asks for, and its fleet.

    Raises:
        UsageError: the file or an option is wrong.
    """
    fleet = load_fleet(plan.file)
    step = parse_duration(plan.step, "--step")
    if step != int(step) or step < 1:
        raise UsageError(f"expected whole seconds, not {plan.step!r}", where="--step", mend="use 15s or 1m")
    seconds = round(plan.days * 86400)
    seed = fleet.seed if plan.seed is None else plan.seed
    spec = RunSpec(
        read_fleet(plan.file).decode(), str(plan.file.absolute().parent), seed, seconds, int(step),
        _start(plan.start, seconds), model_files(fleet.models.values(), plan.file.parent),
    )  # fmt: skip
    check_spec(spec)
    return spec, msgspec.structs.replace(fleet, seed=seed)


def run_fleet(
    spec: RunSpec, fleet: Fleet, engine: Engine, written: frozenset[int], every: int, out: Path | None
) -> FleetRun:
    """Run all nodes.

    Args:
        spec: the run.
        fleet: its fleet.
        engine: what runs the nodes.
        written: numbers of the nodes whose series are written.
        every: how many steps lie between two samples that are written.
        out: where series are written; ``None``: nowhere.

    Raises:
        NeuronError: a job failed.
    """
    jobs = jobs_of(spec, fleet, written if out is not None else frozenset(), every)
    outcomes = {}
    with tempfile.TemporaryDirectory(prefix="neuron-fleet-") as folder:
        spool = Spool(Path(folder))
        for number, result in results_of(engine, jobs, fleet.fleet, show=not isinstance(engine, Here)):
            outcomes[number] = result.outcome
            spool.keep(number, result.openmetrics)
        if out is not None and written:
            (out / "openmetrics").mkdir(exist_ok=True)
            spool.write(out / "openmetrics")
    rules = node_rules()
    outcome = added(outcomes[number] for number in range(len(jobs)))
    summary = summary_of(spec, fleet, outcome, rules.alerts)
    sentences = fleet.expectations or objectives(tags_of(fleet))
    firings = [*outcome.firings, *absent_firings(spec, outcome, rules.alerts)]
    return FleetRun(spec, fleet, outcome, firings, summary, judged(sentences, summary), len(written))


def run_fleet_job(arguments: bytes) -> bytes:
    """A whole run as one job: a :class:`.spec.RunSpec` in, its figures out, as JSON.

    Raises:
        NeuronError: the fleet cannot run as its file says.
    """
    spec = msgspec.json.decode(arguments, type=RunSpec)
    done = run_fleet(spec, spec.fleet, Here(), frozenset(), 1, None)
    facts = json.loads(as_json(done))
    # Lists as long as the fleet is large are for a run of its own.
    return json.dumps({name: value for name, value in facts.items() if name not in ("firings", "incidents")}).encode()


def results_of(engine: Engine, jobs: Sequence[NodesJob], name: str, *, show: bool) -> Iterator[tuple[int, NodesResult]]:
    """Results by number of the job, as they come.

    Raises:
        NeuronError: a job failed; the others are cancelled.
    """
    numbered = [Job(n, "fleet-nodes", msgspec.Raw(msgspec.json.encode(job))) for n, job in enumerate(jobs)]
    nodes = 0
    with progress_bar(name, jobs[-1].end, "nodes", show=show) as tell, closing(each_end(engine, numbered)) as ends:
        for done in ends:
            if done.error:
                raise NeuronError(done.error)
            nodes += jobs[done.number].end - jobs[done.number].first
            tell(nodes)
            yield done.number, msgspec.json.decode(done.result, type=NodesResult)


def _start(text: str | None, seconds: int) -> int:
    if text is None:
        midnight = datetime.datetime.now(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return int(midnight.timestamp()) - seconds
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"no time {text!r}", where="--start", mend="write it as 2026-01-31T00:00:00Z") from None
    return int((found if found.tzinfo else found.replace(tzinfo=datetime.UTC)).timestamp())


def _whole_steps(plan: RunPlan, spec: RunSpec) -> int:
    if plan.openmetrics_step is None:
        return 1
    every = parse_duration(plan.openmetrics_step, "--openmetrics-step") / spec.step_seconds
    if every != int(every) or every < 1:
        raise UsageError("expected a multiple of --step", where="--openmetrics-step")
    return int(every)


def written_nodes(fleet: Fleet, spec: RunSpec, wanted: int | None, every: int) -> frozenset[int]:
    """Numbers of the nodes whose series are written: evenly over the fleet."""
    names = nodes_of(fleet)
    count = len(names) if wanted is None else min(wanted, len(names))
    if wanted is None:
        series = max(_series(fleet, group) for group in range(len(fleet.groups)))
        count = min(count, int(_MOST_TEXT_BYTES / (series * BYTES_PER_SAMPLE * (spec.samples // every + 1))))
    return frozenset(names[number * len(names) // count].number for number in range(count))


def _series(fleet: Fleet, group: int) -> int:
    spec = fleet.groups[group]
    size = instance_type(spec.instance)
    return _SERIES_PER_NODE + _SERIES_PER_CORE * size.core_count + _SERIES_PER_TAG * len(spec.applications)


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NeuronError(f"cannot be made: {error.strerror}", where=str(out)) from None


def write_reports(out: Path, done: FleetRun) -> None:
    """Write the reports; as readable for others as new files are.

    Raises:
        NeuronError: a file cannot be written.
    """
    write_output(out / "report.html", as_html(done).encode(), mode=None)
    write_output(out / "report.json", (as_json(done) + "\n").encode(), mode=None)
    write_output(out / "junit.xml", as_junit(done), mode=None)


def _tell(plan: RunPlan, done: FleetRun, seconds: float) -> None:
    nodes = done.summary.nodes
    rate = done.spec.seconds / max(seconds, 1e-9)
    print(
        f"\n{seconds:.1f} s: {rate:,.0f} virtual seconds per second for {nodes} nodes. Reports in {plan.out}",
        file=sys.stderr,
    )
    if done.openmetrics_nodes < nodes:
        print(
            f"Series of {done.openmetrics_nodes} of {nodes} nodes are in {plan.out}/openmetrics; all of them need "
            "--openmetrics-nodes and space, fewer samples --openmetrics-step",
            file=sys.stderr,
        )
