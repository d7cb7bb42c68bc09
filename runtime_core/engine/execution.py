"""A model on its cores, and what comes of executing it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from runtime_core.driver.pages import memory
from runtime_core.engine.footprint import SubgraphFootprint
from runtime_core.engine.plan import Plan
from runtime_core.neff.graph import Graph
from runtime_core.neff.model import Neff
from runtime_core.status import NrtError, NrtStatus

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runtime_core.engine.numerics import GraphProgram

    Array = NDArray[np.generic]


class ExecutionResult(NamedTuple):
    """What one execution gave.

    Attributes:
        outputs: OFMAPs by name; empty when the model runs without numerics.
        computed: ``False``: no arithmetic was done, there are no results.
        total_ns, device_ns: latency as the caller saw it, and on the device.
        warnings: what went wrong on the way without failing it, a log line each.
    """

    outputs: Mapping[str, Array]
    computed: bool
    total_ns: int
    device_ns: int
    warnings: tuple[str, ...] = ()


class Ended(NamedTuple):
    """How an execution ended: its status, what is wrong when it failed, what the log is to be told."""

    status: NrtStatus
    problem: str
    warnings: tuple[str, ...]


SUCCEEDED = Ended(NrtStatus.SUCCESS, "", ())
"""An execution that no fault touched."""


@dataclass
class LoadedModel:
    """A model on its cores.

    Attributes:
        cores: global core of each model-relative one; a core stands there more than once when nodes share it.
        distinct_cores: the global cores it runs on, each once.
        program: ``None`` when it runs without numerics.
        timeout_ns: after which one of its nodes is given up on a core.
        steady: nothing but other executions can touch it, so that a client under a virtual clock may place executions
            without asking the engine each time; ``False`` from the unloading, a reset or a fault that it meets on.
        in_flight: one entry for each execution that runs; appending and removing are atomic without a lock.
        idle: notified when an execution of an unloaded model ends.
    """

    model_id: int
    neff: Neff
    cores: tuple[int, ...]
    plan: Plan
    footprints: tuple[SubgraphFootprint, ...]
    allocations: list[memory.Allocation]
    program: GraphProgram | None
    timeout_ns: int
    unloaded: bool = False
    steady: bool = True
    in_flight: list[None] = field(default_factory=list)
    idle: threading.Condition = field(default_factory=threading.Condition)
    distinct_cores: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.distinct_cores = tuple(dict.fromkeys(self.cores))

    @property
    def graph(self) -> Graph:
        """Its graph."""
        return self.neff.graph


class ExecutionError(NrtError):
    """An execution that ran and did not succeed; ``result`` holds what there is of it."""

    def __init__(self, status: NrtStatus, what: str, result: ExecutionResult) -> None:
        super().__init__(status, what)
        self.result = result
