"""A graph made ready to run: kernels bound to their constants, values dropped at their last use."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from runtime_core.engine.numerics import elementwise, indexing, matrix, movement, quantised, recurrent, reduce
from runtime_core.engine.numerics.constants import Constants
from runtime_core.engine.numerics.cpu import CpuProgram, load_cpu_node
from runtime_core.engine.numerics.types import HALVES, Array, Kernel, Maker, numpy_dtype, rounded, widened
from runtime_core.neff.content import Content
from runtime_core.neff.graph import DType, EngineKind, Node, NodeKind, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.sharing import Shared
from runtime_core.status import NeffError, NrtStatus

KERNELS: dict[str, Maker] = {
    **matrix.KERNELS,
    **elementwise.KERNELS,
    **reduce.KERNELS,
    **movement.KERNELS,
    **indexing.KERNELS,
    **quantised.KERNELS,
    **recurrent.KERNELS,
}
"""Opcode -> what makes its kernel."""


class _Step:
    """One instruction: a kernel, where its operands come from and its results go, and what nobody needs after it."""

    __slots__ = ("drops", "inputs", "kernel", "outputs")

    def __init__(self, kernel: Kernel, inputs: tuple[str, ...], outputs: tuple[str, ...], drops: list[str]) -> None:
        self.kernel = kernel
        self.inputs = inputs
        self.outputs = outputs
        self.drops = drops


class _Runnable(Protocol):
    def run(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name from inputs by name."""
        ...


def _storing(kernel: Kernel, dtypes: list[DType | None]) -> Kernel:
    """A kernel whose results are rounded to the 16-bit floats that they are stored as."""
    if not any(d in HALVES for d in dtypes):
        return kernel

    def store(*operands: Array | None) -> tuple[Array, ...]:
        result = kernel(*operands)
        values = result if isinstance(result, tuple) else (result,)
        return tuple(rounded(v, d) if d in HALVES else v for v, d in zip(values, dtypes, strict=True))

    return store


class NeuronProgram:
    """A Neuron node. It keeps no state between runs, so threads may share it."""

    def __init__(self, node: Node, params: bytes | memoryview | Content) -> None:
        """Make the kernels; the first run makes the constants."""
        self._outputs = tuple(t.name for t in node.outputs)
        self._constants = Constants(node.parameters, params)
        declared = self._constants.declared
        dtypes = {t.name: t.dtype for t in (*node.outputs, *node.buffers)}
        last_use = {name: i for i, step in enumerate(node.instructions) for name in step.inputs}
        kept = {*self._outputs, *declared}
        self._steps: list[_Step] = []
        for position, instruction in enumerate(node.instructions):
            maker = KERNELS.get(instruction.opcode)
            if maker is None:
                raise NeffError(
                    NrtStatus.INVALID,
                    f"node {node.name!r} holds the unknown instruction {instruction.opcode!r}: recompile the model",
                )
            try:
                kernel = maker(instruction.attributes, [declared.get(n) for n in instruction.inputs])
            except (KeyError, ValueError, TypeError, IndexError) as error:
                raise NeffError(
                    NrtStatus.INVALID,
                    f"instruction {instruction.opcode!r} of node {node.name!r} lacks an attribute or has a wrong one: "
                    f"{error}",
                ) from None
            if instruction.engine is not EngineKind.DMA:
                kernel = _storing(kernel, [dtypes.get(n) for n in instruction.outputs])
            done = [n for n in dict.fromkeys(instruction.inputs) if n and last_use[n] == position]
            unread = [n for n in instruction.outputs if n not in last_use]
            drops = [n for n in (*done, *unread) if n not in kept]
            self._steps.append(_Step(kernel, instruction.inputs, instruction.outputs, drops))

    def run(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Execute the instructions in order."""
        known: dict[str, Array] = {**self._constants.values(), **{n: widened(v) for n, v in values.items()}}
        for step in self._steps:
            result = step.kernel(*[known[n] if n else None for n in step.inputs])
            if isinstance(result, tuple):
                known.update(zip(step.outputs, result, strict=True))
            else:
                known[step.outputs[0]] = result
            for name in step.drops:
                del known[name]
        return {name: known[name] for name in self._outputs}


class GraphProgram:
    """All nodes of a model, in their order."""

    def __init__(self, neff: Neff, nodes: list[tuple[Node, _Runnable]]) -> None:
        """Made by :func:`load_program`."""
        self._neff = neff
        self._graph = neff.graph
        self._nodes = nodes
        self._inputs = {t.name: (numpy_dtype(t.dtype), t.shape) for t in neff.graph.inputs}

    def accepts(self, inputs: Mapping[str, Array]) -> bool:
        """Whether ``inputs`` are every graph input, each with its declared dtype and shape."""
        return len(inputs) == len(self._inputs) and all(
            (array.dtype, array.shape) == self._inputs.get(name) for name, array in inputs.items()
        )

    def run(self, inputs: Mapping[str, Array], timeout_s: float | None = None) -> dict[str, Array]:
        """Compute the outputs.

        Args:
            inputs: every graph input by name, with its declared dtype and shape.
            timeout_s: seconds for all CPU nodes, which alone can run without end.

        Returns:
            Every graph output by name, with its declared dtype and shape (or a smaller one where the graph only bounds
            it), C-contiguous.
        """
        values: dict[str, Array] = dict(inputs)
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with np.errstate(all="ignore"):
            for node, program in self._nodes:
                given = {t.name: values[t.name] for t in node.inputs}
                if deadline is not None and isinstance(program, CpuProgram):
                    values.update(program.run(given, max(0.0, deadline - time.monotonic())))
                else:
                    values.update(program.run(given))
        result = {}
        for spec in self._graph.outputs:
            value = values[spec.name]
            if value.shape != spec.shape:
                _check_shape(spec, value)
            flat = np.ascontiguousarray(value).astype(numpy_dtype(spec.dtype), copy=False)
            result[spec.name] = flat.reshape(value.shape)
        return result


def _check_shape(spec: TensorSpec, value: Array) -> None:
    """Refuse a result of another shape than the model was compiled for, or of a larger one."""
    fits = value.ndim == len(spec.shape) and all(n <= most for n, most in zip(value.shape, spec.shape, strict=True))
    if not spec.at_most:
        raise RuntimeError(
            f"output {spec.name!r} has the shape {list(value.shape)}, and the model declares {list(spec.shape)}"
        )
    if not fits:
        raise RuntimeError(
            f"output {spec.name!r} has the shape {list(value.shape)}, and the model was compiled for "
            f"{list(spec.shape)} at most"
        )


def load_program(neff: Neff) -> GraphProgram:
    """Make a NEFF ready to run.

    Raises:
        NeffError: an instruction or CPU model that this engine does not know.
    """
    nodes: list[tuple[Node, _Runnable]] = []
    for node in neff.graph.nodes:
        if node.kind is NodeKind.NEURON:
            nodes.append((node, NeuronProgram(node, neff.params.get(node.name, b""))))
        else:
            nodes.append((node, load_cpu_node(node, neff.cpu_models[node.name])))
    return GraphProgram(neff, nodes)


_programs: Shared[int, GraphProgram] = Shared()


def shared_program(neff: Neff) -> GraphProgram:
    """The program of this very object, made once for all models that are loaded from it.

    Raises:
        NeffError: as :func:`load_program`.
    """
    # A program holds its NEFF, so that no other object has its identity while the program exists.
    return _programs.get(id(neff), lambda: load_program(neff))
