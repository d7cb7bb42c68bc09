"""The setups of a benchmark: one per combination of the options."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple

from runtime_core.errors import UsageError
from runtime_core.instance import instance_type


class ClockKind(enum.StrEnum):
    """The clock of a measurement: the wall clock, or simulated events."""

    REAL = "real"
    VIRTUAL = "virtual"


class Setup(NamedTuple):
    """A setup to measure.

    Attributes:
        instance_type: EC2 name of the size.
        batch: samples per execution.
        pipeline: cores that one copy of the model is spread over.
        cores: number of cores to use.
        models: number of copies of the model, assigned to the cores in turn.
        workers: clients of each copy; with ``data_parallel``, calls in flight.
        client_batch: samples of a client's request, split over executions that start together; ``None``: one execution
            per copy that receives the request.
        data_parallel: split each request over all copies instead of sending it to one.
    """

    instance_type: str
    batch: int
    pipeline: int
    cores: int
    models: int
    workers: int
    client_batch: int | None = None
    data_parallel: bool = False

    @property
    def groups(self) -> int:
        """Number of places for copies of the model."""
        return self.cores // self.pipeline

    @property
    def request_samples(self) -> int:
        """Samples of a client's request."""
        return self.client_batch or self.batch * (self.models if self.data_parallel else 1)

    @property
    def request_executions(self) -> int:
        """Executions of a client's request; the last one is padded to the batch."""
        return -(-self.request_samples // self.batch)

    @property
    def clients(self) -> int:
        """Number of clients of all copies together."""
        return self.workers if self.data_parallel else self.workers * self.models

    @property
    def executions_per_copy(self) -> int:
        """Return the maximum number of executions in flight per copy, averaged over the copies."""
        return -(-self.clients * self.request_executions // self.models)

    def first_core(self, copy: int) -> int:
        """Return the first core of a copy, among the used cores."""
        return copy % self.groups * self.pipeline

    def copies_of(self, client: int, number: int) -> list[int]:
        """Return the copies that execute a client's request, one per execution.

        Args:
            client: 0 to ``clients - 1``.
            number: sequence number of the client's request.
        """
        count = self.request_executions
        if self.data_parallel:
            first = (client + number) * count
            return [(first + place) % self.models for place in range(count)]
        return [client % self.models] * count


class Wanted(NamedTuple):
    """Combinations requested on the command line. ``None`` for ``cores`` or ``models``: derived from the other."""

    batches: Sequence[int]
    pipelines: Sequence[int] = (1,)
    cores: Sequence[int] | None = None
    models: Sequence[int] | None = None
    workers: int = 1
    client_batch: int | None = None
    data_parallel: bool = False


def parse_counts(text: str, option: str) -> tuple[int, ...]:
    """Return the numbers in a list like ``1,2,4``, without duplicates, in order.

    Raises:
        UsageError: the text is not such a list.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 0 < len(part) <= 6 and int(part) for part in parts):
        raise UsageError(f"{option} {text!r}: expected numbers of 1 or more, like 1,2,4")
    return tuple(dict.fromkeys(int(part) for part in parts))


def setups_of(wanted: Wanted, type_name: str) -> list[Setup]:
    """Return every valid combination, in the order of the lists; a pipeline must fit on some of the cores.

    Raises:
        UsageError: the size is unknown, has too few cores, or a pipeline does not fit.
    """
    available = instance_type(type_name).core_count
    found: dict[Setup, None] = {}
    for pipeline in wanted.pipelines:
        places = _places(wanted, pipeline)
        most = max(cores for cores, _ in places)
        if most > available:
            raise UsageError(f"{most} NeuronCores requested, but an {type_name} has {available}")
        if most < pipeline:
            raise UsageError(f"a pipeline of {pipeline} NeuronCores does not fit on {most}", mend="give more --cores")
        for cores, models in places:
            if cores < pipeline:
                continue
            for batch in wanted.batches:
                found[
                    Setup(
                        type_name,
                        batch,
                        pipeline,
                        cores,
                        models,
                        wanted.workers,
                        wanted.client_batch,
                        wanted.data_parallel,
                    )
                ] = None
    return list(found)


def _places(wanted: Wanted, pipeline: int) -> list[tuple[int, int]]:
    """Return pairs of cores and copies."""
    if wanted.cores is None:
        return [(models * pipeline, models) for models in wanted.models or (1,)]
    return [(cores, models) for cores in wanted.cores for models in wanted.models or (max(1, cores // pipeline),)]
