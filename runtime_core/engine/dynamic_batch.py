"""Models compiled with a dynamic batch: any number of samples, in executions of the compiled batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from runtime_core.engine.execution import ExecutionError, ExecutionResult, LoadedModel
from runtime_core.engine.executor import Engine
from runtime_core.engine.plan import Plan
from runtime_core.neff.graph import Graph
from runtime_core.status import NrtError, NrtStatus

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]


def execute_samples(
    engine: Engine, model: LoadedModel, inputs: Mapping[str, Array], plan: Plan | None = None
) -> ExecutionResult:
    """Execute as :meth:`Engine.execute` does; a model with a dynamic batch takes any number of samples.

    The samples are cut along the first dimension into executions of the model's batch, one after the other. The last
    is filled up with copies of its last sample, whose results are dropped. Each execution is counted as one.

    Args:
        engine: the engine that the model is loaded on.
        model: the model.
        inputs: every IFMAP by name; with a dynamic batch the first dimension, the same in all, is free.
        plan: of each execution, as for :meth:`Engine.execute`.

    Returns:
        Outputs of as many samples as went in; latencies are sums over the executions.

    Raises:
        NrtError: as :meth:`Engine.execute`; EXEC_BAD_INPUT when the inputs differ in their number of samples. After
            EXEC_COMPLETED_WITH_NUM_ERR the other executions have run, and the error holds all results.
    """
    if not model.graph.dynamic_batch:
        return engine.execute(model, inputs, None, plan)
    batch = model.graph.batch
    counts = {array.shape[0] if array.ndim else -1 for array in inputs.values()}
    # What is wrong with more than the number of samples, the engine tells best, of the arrays as they came.
    if counts == {batch} or not _are_samples(model.graph, inputs):
        return engine.execute(model, inputs, None, plan)
    if len(counts) != 1 or min(counts) < 1:
        engine.count_bad_input(model)
        raise NrtError(
            NrtStatus.EXEC_BAD_INPUT,
            f"inputs of {model.graph.name!r} hold {', '.join(map(str, sorted(counts)))} samples: "
            "expected the same number in each, 1 or more",
        )
    return _in_turn(engine, model, inputs, counts.pop(), plan)


def _are_samples(graph: Graph, inputs: Mapping[str, Array]) -> bool:
    """Whether the inputs are the graph's, but for the first dimension."""
    declared = {t.name: t for t in graph.inputs}
    return inputs.keys() == declared.keys() and all(
        a.dtype.name == declared[n].dtype and (not a.ndim or a.shape[1:] == declared[n].shape[1:])
        for n, a in inputs.items()
    )


def _in_turn(
    engine: Engine, model: LoadedModel, inputs: Mapping[str, Array], count: int, plan: Plan | None
) -> ExecutionResult:
    import numpy as np

    batch = model.graph.batch
    results: list[ExecutionResult] = []
    failed: ExecutionError | None = None
    for start in range(0, count, batch):
        samples = np.minimum(np.arange(start, start + batch), count - 1)
        try:
            part = {name: array[samples] for name, array in inputs.items()}
            results.append(engine.execute(model, part, plan=plan))
        except ExecutionError as error:
            if error.status is not NrtStatus.EXEC_COMPLETED_WITH_NUM_ERR:
                raise
            failed = failed or error
            results.append(error.result)
    whole = ExecutionResult(
        {name: np.concatenate([r.outputs[name] for r in results])[:count] for name in results[0].outputs},
        results[0].computed,
        sum(r.total_ns for r in results),
        sum(r.device_ns for r in results),
    )
    if failed is not None:
        raise ExecutionError(failed.status, failed.what, whole)
    return whole
