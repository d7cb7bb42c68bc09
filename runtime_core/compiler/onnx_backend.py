"""The simulated NeuronCore as an ONNX backend (``onnx.backend.base``): compile, load, run, without a node.

Programs for ONNX backends can use it; the conformance tests run the onnx package's own suite on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from onnx.backend.base import Backend, BackendRep

from runtime_core.compiler.build import compile_model
from runtime_core.compiler.options import CompileOptions, Fp32Cast
from runtime_core.engine.numerics import load_program
from runtime_core.neff.model import Neff
from runtime_core.neff.reader import read_neff
from runtime_core.neff.writer import encode_neff

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    Array = NDArray[np.generic]

DEVICE = "CPU"
"""The name of the device: of the names in the onnx package only this one fits, because the host simulates the cores."""


class NeuronRep(BackendRep):
    """A compiled model. ``neff`` could be loaded on a node.

    A model with an open batch is compiled for one sample, and again for each other number of samples.
    """

    def __init__(self, model: ModelProto, cast: Fp32Cast) -> None:
        """Used by :meth:`NeuronBackend.prepare`."""
        self._model = model
        self._cast = cast
        self.neff = self._compiled(None)
        self._program = load_program(self.neff)
        self._open = _has_open_batch(model)

    def _compiled(self, batch: int | None) -> Neff:
        options = CompileOptions(batch=batch, fp32_cast=self._cast)
        return read_neff(encode_neff(compile_model(self._model, options)), validate_hash=True)

    def run(self, inputs: Sequence[Array], **_options: object) -> tuple[Array, ...]:
        """Run the model; inputs and outputs are in the order of the graph.

        Raises:
            ValueError: the number of inputs is wrong, or an input does not have the shape of the compiled model.
        """
        specs = self.neff.graph.inputs
        if len(inputs) != len(specs):
            raise ValueError(f"{len(inputs)} inputs: {self.neff.graph.name!r} takes {len(specs)}")
        arrays = {spec.name: np.asarray(value) for spec, value in zip(specs, inputs, strict=True)}
        if self._open and specs[0].shape[:1] != arrays[specs[0].name].shape[:1]:
            self.neff = self._compiled(arrays[specs[0].name].shape[0])
            self._program = load_program(self.neff)
            specs = self.neff.graph.inputs
        for spec in specs:
            shape = arrays[spec.name].shape
            if shape != spec.shape:
                raise ValueError(f"input {spec.name!r} has the shape {list(shape)}, expected {list(spec.shape)}")
        found = self._program.run(arrays)
        return tuple(found[t.name] for t in self.neff.graph.outputs)


class NeuronBackend(Backend):
    """The backend's entry points."""

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Return whether models can be prepared for ``device``."""
        return device == DEVICE

    @classmethod
    def prepare(cls, model: ModelProto, device: str = DEVICE, **options: object) -> NeuronRep:
        """Compile ``model``, write it as a NEFF and read it again.

        Args:
            model: an ONNX model with fixed shapes.
            device: ``CPU``.
            options: ``fp32_cast``: ``all``, ``matmult`` or ``none`` (the default here: the suite compares FP32).

        Raises:
            ModelFileError: it cannot be compiled.
        """
        if not cls.supports_device(device):
            raise ValueError(f"device {device!r} is not supported: use {DEVICE!r}")
        return NeuronRep(model, Fp32Cast(str(options.get("fp32_cast", Fp32Cast.NONE.value))))

    @classmethod
    def run_model(
        cls, model: ModelProto, inputs: Sequence[Array], device: str = DEVICE, **options: object
    ) -> tuple[Array, ...]:
        """Prepare and run once."""
        return cls.prepare(model, device, **options).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: NodeProto,
        inputs: Sequence[Array],
        device: str = DEVICE,
        outputs_info: object = None,
        **options: object,
    ) -> tuple[Array, ...]:
        """Run one operator of the newest operator set on arrays.

        Args:
            node: the operator.
            inputs: its inputs, in order, without omitted ones.
            device: ``CPU``.
            outputs_info: (dtype, shape) of each output, as the onnx package passes them.
            options: as :meth:`prepare`.
        """
        from onnx import TypeProto, helper

        from runtime_core.engine.numerics.evaluator import make_evaluator

        names = [n for n in node.input if n]
        arrays = [np.asarray(v) for v in inputs]
        infos = [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
            for n, v in zip(names, arrays, strict=True)
        ]
        made = [n for n in node.output if n]
        if isinstance(outputs_info, Sequence):
            described = [(np.dtype(t), tuple(s)) for t, s in outputs_info]
        else:
            bare = helper.make_model(
                helper.make_graph([node], "node", infos, [helper.make_value_info(n, TypeProto()) for n in made])
            )
            found = make_evaluator(bare).run(made, dict(zip(names, arrays, strict=True)))
            described = [(np.asarray(v).dtype, np.asarray(v).shape) for v in found]
        outs = [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(t), s)
            for n, (t, s) in zip(made, described, strict=True)
        ]
        model = helper.make_model(helper.make_graph([node], "node", infos, outs))
        return cls.run_model(model, arrays, device, **options)


def _has_open_batch(model: ModelProto) -> bool:
    constants = {t.name for t in model.graph.initializer}
    first = next((list(i.type.tensor_type.shape.dim) for i in model.graph.input if i.name not in constants), [])
    return bool(first) and not first[0].HasField("dim_value")


prepare = NeuronBackend.prepare
run_model = NeuronBackend.run_model
run_node = NeuronBackend.run_node
supports_device = NeuronBackend.supports_device
