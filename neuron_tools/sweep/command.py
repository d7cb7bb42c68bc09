"""``neuron-sim sweep``: run the jobs, store their results, print a summary."""

from __future__ import annotations

import json
import signal
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from neuron_console import exit_codes
from neuron_tools.sweep.choose import engine_of
from neuron_tools.sweep.job import each_end
from neuron_tools.sweep.options import Choice
from neuron_tools.sweep.plan import Plan
from neuron_tools.sweep.progress import progress_bar
from neuron_tools.sweep.store import Store, sweep_of
from neuron_tools.sweep.summary import Summary, summary_of


class SweepOptions(NamedTuple):
    """Options of all sweeps. ``out``: the file of results; ``None``: only print the summary."""

    engine: Choice
    out: Path | None
    as_json: bool


def run(plan: Plan, options: SweepOptions) -> int:
    """Run a sweep; returns the exit status: 1 if a job failed or an expectation was not met.

    Raises:
        UsageError: an option is invalid.
        NeuronError: no worker responds, or the results cannot be written.
    """
    engine = engine_of(options.engine)
    # The workers are stopped and the file is complete.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    store = Store(options.out, sweep_of(plan.kind, plan.name, plan.jobs), plan.labels)
    jobs, known, began = store.missing(plan.jobs), len(store.lines), time.monotonic()
    try:
        with progress_bar(plan.name, len(plan.jobs), "jobs") as tell, closing(each_end(engine, jobs)) as ends:
            tell(known)
            for done in ends:
                store.add(done)
                tell(len(store.lines))
    except (KeyboardInterrupt, SystemExit):
        _tell_cancelled(options.out, len(store.lines), len(plan.jobs))
        raise
    store.close()
    seconds = time.monotonic() - began
    summary = summary_of(plan.kind, [store.lines[number] for number in range(len(plan.jobs))])
    print(_as_json(plan, summary) if options.as_json else "\n".join(summary.lines))
    again = f", {known} known before" if known else ""
    print(f"\n{len(jobs)} jobs in {seconds:.1f} s{again}", file=sys.stderr)
    return exit_codes.OK if summary.good else exit_codes.FAILURE


def _as_json(plan: Plan, summary: Summary) -> str:
    return json.dumps({"sweep": plan.kind, "name": plan.name, "jobs": len(plan.jobs), **summary.facts}, indent=2)


def _tell_cancelled(out: Path | None, done: int, jobs: int) -> None:
    text = f"cancelled after {done} of {jobs} jobs"
    if out is not None:
        text += f"; {out} has their results: run the command again to continue"
    print(f"\n{text}", file=sys.stderr)
