"""Jobs: the arguments that a worker receives, on this machine or another, and the result that it returns."""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Generator, Iterator, Sequence
from typing import Protocol

import msgspec

from runtime_core.errors import NeuronError

KINDS = {
    "scenario": "neuron_tools.sweep.kinds:run_scenario_job",
    "search": "neuron_tools.sweep.kinds:run_search_job",
    "bench": "neuron_tools.sweep.kinds:run_bench_job",
    "advise": "neuron_tools.sweep.kinds:run_advise_job",
    "fleet": "neuron_tools.fleet.run.command:run_fleet_job",
    "fleet-nodes": "neuron_tools.fleet.run.job:run_nodes_job",
}
"""Kind of job -> the function that runs it, from arguments to result, both as JSON. Workers run no other functions."""

_ALONE = threading.RLock()
"""Runs one job at a time: a Dask worker may have threads, but jobs use random generators and locks of the process."""


class Job(msgspec.Struct, frozen=True):
    """A job. ``number``: its position in the results; ``arguments``: everything that determines the result, as JSON."""

    number: int
    kind: str
    arguments: msgspec.Raw


class Done(msgspec.Struct, frozen=True, omit_defaults=True):
    """The end of a job: its result (JSON), or the reason why it failed."""

    number: int
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""


class Engine(Protocol):
    """Runs jobs."""

    def run(self, jobs: Sequence[Job]) -> Iterator[Done]:
        """Run jobs and yield their ends as they come. Closing the iterator cancels the rest.

        Raises:
            NeuronError: no worker is available.
        """


def each_end(engine: Engine, jobs: Sequence[Job]) -> Generator[Done, None, None]:
    """The iterator of :meth:`Engine.run`. Closing it cancels the jobs that are not done."""
    yield from engine.run(jobs)


class Here:
    """Runs jobs in this process, one after the other; see :class:`Engine`."""

    def run(self, jobs: Sequence[Job]) -> Iterator[Done]:
        """See the protocol."""
        for job in jobs:
            yield msgspec.json.decode(execute(msgspec.json.encode(job)), type=Done)


def execute(payload: bytes) -> bytes:
    """Run a job. Arguments and result are JSON; an error becomes a result."""
    job = msgspec.json.decode(payload, type=Job)
    os.environ.setdefault("NEURON_RT_LOG_LEVEL", "QUIET")
    module, _, name = KINDS[job.kind].partition(":")
    with _ALONE:
        try:
            result = getattr(importlib.import_module(module), name)(bytes(job.arguments))
        except NeuronError as error:
            return msgspec.json.encode(Done(job.number, error=str(error)))
        except Exception as error:
            # A defect of the suite, which must not stop the other jobs or the worker.
            text = f"internal error: {type(error).__name__}: {error}"
            return msgspec.json.encode(Done(job.number, error=text))
    return msgspec.json.encode(Done(job.number, msgspec.Raw(result)))
