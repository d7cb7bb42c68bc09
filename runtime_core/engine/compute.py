"""Checking an execution's inputs and doing its arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from runtime_core.neff.graph import Graph
from runtime_core.status import NrtError, NrtStatus

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runtime_core.engine.numerics import GraphProgram

    Array = NDArray[np.generic]


def check_inputs(graph: Graph, inputs: Mapping[str, Array]) -> None:
    """Compare inputs with what the graph declares.

    Raises:
        NrtError: EXEC_BAD_INPUT naming the first tensor that is missing, unknown, or of another dtype or shape.
    """
    declared = {t.name: t for t in graph.inputs}
    for name in declared.keys() - inputs.keys():
        raise NrtError(NrtStatus.EXEC_BAD_INPUT, f"input {name!r} of {graph.name!r} is missing from the tensor set")
    for name, array in inputs.items():
        spec = declared.get(name)
        if spec is None:
            raise NrtError(
                NrtStatus.EXEC_BAD_INPUT, f"{graph.name!r} has no input {name!r}: it takes {', '.join(declared)}"
            )
        if array.dtype.name != spec.dtype or array.shape != spec.shape:
            raise NrtError(
                NrtStatus.EXEC_BAD_INPUT,
                f"input {name!r} of {graph.name!r} is {array.dtype.name}{list(array.shape)}, "
                f"expected {spec.dtype.value}{list(spec.shape)}",
            )


def compute(
    program: GraphProgram, inputs: Mapping[str, Array], timeout_s: float | None = None
) -> tuple[Mapping[str, Array], NrtStatus, str]:
    """Do the arithmetic; a NaN among the results is a numerical error that still has results.

    Args:
        program: of the model.
        inputs: by name.
        timeout_s: seconds for the CPU nodes; ``None``: as long as they take.
    """
    import numpy as np

    from runtime_core.engine.numerics.evaluator import TimedOutError

    try:
        outputs = program.run(inputs, timeout_s)
    except TimedOutError:
        return {}, NrtStatus.TIMEOUT, "a CPU node timed out, or was stopped with its process"
    except MemoryError:
        return {}, NrtStatus.EXEC_COMPLETED_WITH_ERR, "the host ran out of memory during the execution"
    except (ValueError, TypeError, ArithmeticError, IndexError, KeyError, RuntimeError) as error:
        return {}, NrtStatus.EXEC_COMPLETED_WITH_ERR, f"the execution failed: {' '.join(str(error).split())}"
    for name, array in outputs.items():
        if array.dtype.kind in "fV" and bool(np.isnan(array.astype(np.float32, copy=False)).any()):
            return outputs, NrtStatus.EXEC_COMPLETED_WITH_NUM_ERR, f"output {name!r} holds NaN"
    return outputs, NrtStatus.SUCCESS, ""
