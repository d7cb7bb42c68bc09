"""What a benchmark runs: one setup a combination of what was asked for."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple

from runtime_core.errors import UsageError
from runtime_core.instance import instance_type


class ClockKind(enum.StrEnum):
    """What executions wait for: the wall clock, or events."""

    REAL = "real"
    VIRTUAL = "virtual"


class Setup(NamedTuple):
    """One thing to measure.

    Attributes:
        instance_type: EC2 name of the size.
        batch: samples an execution.
        pipeline: cores that one copy of the model is spread over.
        cores: cores that are used.
        models: copies of the model, dealt over the cores.
        workers: clients of each copy.
    """

    instance_type: str
    batch: int
    pipeline: int
    cores: int
    models: int
    workers: int

    @property
    def groups(self) -> int:
        """Places for copies of the model."""
        return self.cores // self.pipeline

    def first_core(self, copy: int) -> int:
        """Where a copy begins, among the cores that are used."""
        return copy % self.groups * self.pipeline


class Wanted(NamedTuple):
    """What the command line asks for. ``cores`` and ``models`` of ``None`` follow from one another."""

    batches: Sequence[int]
    pipelines: Sequence[int] = (1,)
    cores: Sequence[int] | None = None
    models: Sequence[int] | None = None
    workers: int = 1


def parse_counts(text: str, option: str) -> tuple[int, ...]:
    """Numbers of a list like ``1,2,4``, each once, in order.

    Raises:
        UsageError: it is no such list.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 0 < len(part) <= 6 and int(part) for part in parts):
        raise UsageError(f"{option} {text!r}: expected numbers of 1 or more, like 1,2,4")
    return tuple(dict.fromkeys(int(part) for part in parts))


def setups_of(wanted: Wanted, type_name: str) -> list[Setup]:
    """Every combination that can be, in the order of the lists; a pipeline must fit on some of the cores.

    Raises:
        UsageError: unknown size, more cores than it has, or a pipeline that fits nowhere.
    """
    available = instance_type(type_name).core_count
    found: dict[Setup, None] = {}
    for pipeline in wanted.pipelines:
        places = _places(wanted, pipeline)
        most = max(cores for cores, _ in places)
        if most > available:
            raise UsageError(f"{most} NeuronCores: an {type_name} has {available}")
        if most < pipeline:
            raise UsageError(f"a pipeline of {pipeline} NeuronCores doesn't fit on {most}", mend="give more --cores")
        for cores, models in places:
            if cores < pipeline:
                continue
            for batch in wanted.batches:
                found[Setup(type_name, batch, pipeline, cores, models, wanted.workers)] = None
    return list(found)


def _places(wanted: Wanted, pipeline: int) -> list[tuple[int, int]]:
    """Pairs of cores and copies."""
    if wanted.cores is None:
        return [(models * pipeline, models) for models in wanted.models or (1,)]
    return [(cores, models) for cores in wanted.cores for models in wanted.models or (max(1, cores // pipeline),)]
