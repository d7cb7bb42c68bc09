"""Measure setups one after another, and report progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from neuron_tools.bench.networks import Networks
from neuron_tools.bench.real_run import node_for, run_real
from neuron_tools.bench.result import Result, result_of
from neuron_tools.bench.setups import ClockKind, Setup
from neuron_tools.bench.virtual_run import run_virtual


class Run(NamedTuple):
    """Options of the measurements.

    Attributes:
        clock: real or virtual.
        seconds: duration of a measurement; ``None``: as the model requires.
        rate_per_second: samples offered; ``None``: back to back.
        own_node: use a temporary node of the setup's size, as always under the virtual clock.
        jitter: vary execution times.
        seed: seed of the jitter, under the virtual clock.
    """

    clock: ClockKind
    seconds: float | None = None
    rate_per_second: float | None = None
    own_node: bool = True
    jitter: bool = True
    seed: int = 0


def measure(networks: Networks, setup: Setup, run: Run) -> Result:
    """Measure one setup.

    Raises:
        NrtError: the setup does not fit on the node.
        ModelFileError: the model cannot be read or compiled.
    """
    neff = networks.get(setup.batch, setup.pipeline)
    if run.clock is ClockKind.VIRTUAL:
        seen = run_virtual(
            setup,
            neff,
            seconds=run.seconds,
            rate_per_second=run.rate_per_second,
            jitter=run.jitter,
            seed=run.seed,
        )
    else:
        with node_for(setup.instance_type if run.own_node else None) as root:
            seen = run_real(
                setup,
                neff,
                root=root,
                seconds=run.seconds,
                rate_per_second=run.rate_per_second,
                jitter=run.jitter,
            )
    return result_of(setup, run.clock, run.rate_per_second, seen, neff.graph.core_count)


def sweep(networks: Networks, setups: Sequence[Setup], run: Run, tell: Callable[[int, str], None]) -> list[Result]:
    """Measure every setup; call ``tell`` with the number of completed setups and a description of the next one."""
    results = []
    for number, setup in enumerate(setups):
        doing = "" if networks.known(setup.batch, setup.pipeline) else "compiling, "
        tell(number, f"{doing}batch {setup.batch}, {setup.cores} core(s), pipeline {setup.pipeline}")
        results.append(measure(networks, setup, run))
    tell(len(setups), "done")
    return results
