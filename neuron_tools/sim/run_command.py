"""``neuron-sim run``: an application process with a progress display and a summary."""

from __future__ import annotations

import json
import os

from neuron_console import exit_codes
from neuron_console.units import rounded
from neuron_tools.sim.load import Load, LoadPlan, check_plan, process_environment
from neuron_tools.sim.load_results import LoadSummary, as_dict, format_summary, summarize
from neuron_tools.sim.run_progress import prepared, watch
from neuron_tools.sim.signals import stopped_by_signals
from runtime_core.nrt import Runtime
from runtime_core.nrt.log import counting_repeats


def run_application(plan: LoadPlan, *, as_json: bool) -> int:
    """Run the plan to its end, or to SIGINT or SIGTERM, and print the summary.

    Returns:
        The exit status: 1 if no execution succeeded, or a process was lost.
    """
    check_plan(plan)
    # Executions already run in parallel, one per thread: BLAS threads would compete for the same vCPUs.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if plan.processes > 1:
        from neuron_tools.sim.run_processes import run_processes

        summary = run_processes(plan, quiet=as_json)
    else:
        summary = _run_here(plan, quiet=as_json)
    print(json.dumps(rounded(as_dict(summary))) if as_json else format_summary(summary))
    return exit_codes.OK if summary.executions and not summary.lost_processes else exit_codes.FAILURE


def _run_here(plan: LoadPlan, *, quiet: bool) -> LoadSummary:
    # Own the cores first, so that nothing is compiled if they are not free.
    with (
        stopped_by_signals() as stopped,
        counting_repeats(),
        Runtime(environment=process_environment(plan), numerics=plan.numerics) as runtime,
    ):
        load = Load(runtime, plan, ((path, prepared(path, quiet=quiet)) for path in plan.models))
        before = load.start()
        title = ", ".join(load.model_names)
        watch(title, plan.seconds, stopped, running=lambda: load.running, look=lambda: [load.now()], quiet=quiet)
        result = load.result(before, load.stop())
    return summarize([result], tag=result.tag, pid=result.pid, numerics=plan.numerics)
