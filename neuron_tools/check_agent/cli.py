"""Options of ``neuron-sim check-agent``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from neuron_console.command import JsonFlag, examples_epilog

EXAMPLES = """neuron-sim check-agent -- ./my-agent --verbose
neuron-sim check-agent --case torn-line --form inf2-2.30 -- python3 agent.py
neuron-sim check-agent --observe http://127.0.0.1:{port}/metrics -- neuron-monitor-prometheus.py --port {port}
neuron-sim check-agent --junit agent.xml -- neuron-monitor-cloudwatch.py --namespace Neuron --dry-run
neuron-sim check-agent -- curl --fail --silent {url}"""

EPILOG = examples_epilog(EXAMPLES)


def check_agent(
    command: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND...", help="The agent. {url} makes it a scraper of that URL.")
    ],
    form: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(help="Form of the stream: neuron-monitor, inf1-2023, inf2-2.30 or guide. Default: all."),
    ] = None,
    case: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="Case to run, for example torn-line. Default: all."),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            min=0.1, max=86_400, help="Seconds for the agent to end after its input, or to scrape three times."
        ),
    ] = 10.0,
    memory_mib: Annotated[int, typer.Option(min=1, help="An agent that uses more memory fails.")] = 256,
    observe: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="URL", help="Page where the agent shows its figures; {port} is a free port."),
    ] = None,
    stays: Annotated[bool, typer.Option("--stays", help="Do not expect the agent to end with its input.")] = False,
    junit: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Also write a JUnit report to this file."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Test a program that reads neuron-monitor's stream or scrapes its metrics.

    The program gets the stream on standard input, in the forms of several releases, with restarts, empty, huge and torn
    lines, and slow writers. It is graded by its exit status, hangs, memory, and lost figures.
    """
    from neuron_tools.check_agent.command import Plan, run_check

    plan = Plan(
        tuple(command), tuple(form or ()), tuple(case or ()), timeout, memory_mib << 20, observe, stays
    )  # fmt: skip
    raise SystemExit(run_check(plan, as_json=as_json, junit=junit))
