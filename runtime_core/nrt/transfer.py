"""Convert the tensors of a tensor set to a model's input arrays, and its results to tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from runtime_core.engine.execution import ExecutionResult, LoadedModel
from runtime_core.engine.plan import Plan
from runtime_core.engine.timing.model import input_timing, output_timing
from runtime_core.neff.graph import Graph, TensorSpec
from runtime_core.nrt.arguments import wrong_type
from runtime_core.nrt.tensors import Tensor, TensorPlacement, TensorSet
from runtime_core.status import NrtError, NrtStatus

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]


def staged_plan(model: LoadedModel, inputs: TensorSet, outputs: TensorSet) -> Plan | None:
    """Return the model's plan without transfers of tensors on the device; ``None`` if all are on the host."""

    def bytes_on_device(specs: Sequence[TensorSpec], tensors: Mapping[str, Tensor]) -> int:
        there = (s for s in specs if s.name in tensors and tensors[s.name].placement is TensorPlacement.DEVICE)
        return sum(s.size_bytes for s in there)

    taken = bytes_on_device(model.graph.inputs, inputs.tensors)
    given = bytes_on_device(model.graph.outputs, outputs.tensors)
    return model.plan.staged(input_timing(taken), output_timing(given)) if taken or given else None


def as_arrays(inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Return the values of an application as arrays.

    Raises:
        NrtError: INVALID when they have no names, EXEC_BAD_INPUT when one is not an array.
    """
    import numpy as np

    if not isinstance(inputs, Mapping):
        raise wrong_type(inputs, "arrays by the names of the inputs", where="inputs")
    arrays: dict[str, Array] = {}
    for name, value in inputs.items():
        try:
            arrays[name] = np.asarray(value)
        except (TypeError, ValueError) as error:
            raise NrtError(NrtStatus.EXEC_BAD_INPUT, f"not an array: {error}", where=f"input {name!r}") from None
    return arrays


def as_array(tensor: Tensor, graph: Graph, name: str) -> Array:
    """Return the tensor's bytes as the array that input ``name`` declares."""
    import numpy as np

    from runtime_core.engine.numerics import numpy_dtype

    spec = next((t for t in graph.inputs if t.name == name), None)
    if spec is None:
        names = ", ".join(t.name for t in graph.inputs)
        raise NrtError(NrtStatus.EXEC_BAD_INPUT, f"{graph.name!r} has no input {name!r}: expected {names}")
    shape = spec.shape
    if graph.dynamic_batch and tensor.size_bytes % (spec.size_bytes // graph.batch) == 0:
        shape = (tensor.size_bytes * graph.batch // spec.size_bytes, *shape[1:])
    elif tensor.size_bytes != spec.size_bytes:
        raise NrtError(
            NrtStatus.EXEC_BAD_INPUT,
            f"input {name!r} of {graph.name!r} requires {spec.size_bytes} bytes, the tensor has {tensor.size_bytes}",
        )
    return np.frombuffer(tensor.view(), dtype=numpy_dtype(spec.dtype)).reshape(shape)


def output_views(graph: Graph, outputs: TensorSet, samples: int) -> dict[str, Tensor]:
    """Return the tensors for the outputs of an execution, given its number of samples."""
    for spec in graph.outputs:
        tensor = outputs.tensors.get(spec.name)
        if tensor is None:
            raise NrtError(
                NrtStatus.EXEC_BAD_INPUT, f"output {spec.name!r} of {graph.name!r} is missing from the tensor set"
            )
        size_bytes = spec.size_bytes // graph.batch * samples if graph.dynamic_batch else spec.size_bytes
        if tensor.size_bytes != size_bytes:
            raise NrtError(
                NrtStatus.EXEC_BAD_INPUT,
                f"output {spec.name!r} of {graph.name!r} has {size_bytes} bytes, the tensor has {tensor.size_bytes}",
            )
    return {spec.name: outputs.tensors[spec.name] for spec in graph.outputs}


def store_outputs(result: ExecutionResult, targets: Mapping[str, Tensor]) -> None:
    """Copy results into their tensors, and count the completion in each."""
    for name, tensor in targets.items():
        tensor.computed = result.computed and name in result.outputs
        if tensor.computed:
            data = result.outputs[name].tobytes()
            tensor.shape = result.outputs[name].shape
            # A result whose shape depends on the inputs may be smaller than its tensor.
            tensor.view()[:] = data.ljust(tensor.size_bytes, b"\0")
        tensor.count_completion()


def feeds_of(graph: Graph) -> tuple[tuple[str, str], ...]:
    """Return (output, input) of a repeated execution: by name, else by position, if type and shape match."""
    inputs = {spec.name: spec for spec in graph.inputs}

    def fits(output: TensorSpec, target: TensorSpec | None) -> bool:
        return (
            target is not None and not output.at_most and (output.dtype, output.shape) == (target.dtype, target.shape)
        )

    named = tuple((spec.name, spec.name) for spec in graph.outputs if fits(spec, inputs.get(spec.name)))
    placed = tuple((o.name, i.name) for o, i in zip(graph.outputs, graph.inputs, strict=False) if fits(o, i))
    return named or placed
