"""Build an ONNX graph operator by operator, with weights from a seeded generator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, TensorProto, helper

OPSET = 20
"""Operator set of the models: the first one with ``Gelu``."""
_IR_VERSION = 9
_SMALL = 16

Constant: TypeAlias = NDArray[np.float32] | NDArray[np.float16] | NDArray[np.int64]
Attribute: TypeAlias = int | float | str | Sequence[int]


class NetworkBuilder:
    """A network under construction; values are referenced by name."""

    def __init__(self, name: str, seed: int, dtype: str = "float32") -> None:
        """Create an empty network.

        Args:
            name: name of the ONNX graph.
            seed: seed of the weights; the same seed gives the same file.
            dtype: element type of weights and activations, ``float32`` or ``float16``.
        """
        self._random = np.random.default_rng(seed)
        self._dtype = np.dtype(dtype)
        # Filled in place, so that the weights are in memory only once.
        self._model = ModelProto(ir_version=_IR_VERSION, producer_name="neuron_tools.models")
        self._model.opset_import.append(helper.make_opsetid("", OPSET))
        self._graph = self._model.graph
        self._graph.name = name

    def features(self, name: str, shape: Sequence[int]) -> str:
        """Add an input with the element type of the network."""
        return self._input(name, helper.np_dtype_to_tensor_dtype(self._dtype), shape)

    def indices(self, name: str, shape: Sequence[int]) -> str:
        """Add an int64 input."""
        return self._input(name, TensorProto.INT64, shape)

    def _input(self, name: str, element: int, shape: Sequence[int]) -> str:
        self._graph.input.append(helper.make_tensor_value_info(name, element, shape))
        return name

    def op(self, operator: str, *inputs: str, **attributes: Attribute) -> str:
        """Append an operator with one output; return the name of the output."""
        return self.ops(operator, 1, *inputs, **attributes)[0]

    def ops(self, operator: str, output_count: int, *inputs: str, **attributes: Attribute) -> list[str]:
        """Append an operator with several outputs; return their names."""
        name = f"{operator.lower()}_{len(self._graph.node)}"
        outputs = [name if output_count == 1 else f"{name}_{i}" for i in range(output_count)]
        node = helper.make_node(operator, list(inputs), outputs, name=name)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self._graph.node.append(node)
        return outputs

    def constant(self, values: Constant) -> str:
        """Add an initializer unchanged."""
        name = f"constant_{len(self._graph.initializer)}"
        tensor = self._graph.initializer.add()
        tensor.name = name
        tensor.data_type = helper.np_dtype_to_tensor_dtype(values.dtype)
        tensor.dims.extend(values.shape)
        tensor.raw_data = values.tobytes()
        return name

    def number(self, value: float) -> str:
        """Add a scalar with the element type of the network."""
        return self.constant(np.asarray(value, self._dtype))

    def whole_numbers(self, *values: int) -> str:
        """Add an int64 vector, the type of shapes and axes."""
        return self.constant(np.asarray(values, np.int64))

    def table(self, values: NDArray[np.floating]) -> str:
        """Add constant values with the element type of the network."""
        return self.constant(values.astype(self._dtype))

    def weight(self, shape: Sequence[int], fan_in: int, gain: float = 1.0) -> str:
        """Add normally distributed weights that preserve the variance of their input, times ``gain``."""
        values = self._random.standard_normal(math.prod(shape), dtype=np.float32)
        values *= np.float32(math.sqrt(gain / fan_in))
        return self.constant(values.reshape(shape).astype(self._dtype, copy=False))

    def vector(self, length: int, centre: float = 0.0) -> str:
        """Add a vector of small random numbers around ``centre``."""
        values = self._random.standard_normal(length, dtype=np.float32) * np.float32(0.02) + np.float32(centre)
        return self.constant(values.astype(self._dtype, copy=False))

    def linear(self, x: str, in_features: int, out_features: int) -> str:
        """Append ``x @ W + b`` over the last axis."""
        product = self.op("MatMul", x, self.weight((in_features, out_features), in_features))
        return self.op("Add", product, self.vector(out_features))

    def reshape(self, x: str, *shape: int) -> str:
        """Append a reshape of ``x``."""
        return self.op("Reshape", x, self.whole_numbers(*shape))

    def conv(self, x: str, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> str:
        """Append a square convolution with bias, padded so that stride 1 preserves the size."""
        fan_in = in_channels * kernel * kernel
        weight = self.weight((out_channels, in_channels, kernel, kernel), fan_in, gain=2.0)
        return self.op(
            "Conv",
            x,
            weight,
            self.vector(out_channels),
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
        )

    def max_pool(self, x: str, kernel: int, stride: int, padding: int = 0) -> str:
        """Append a square maximum pooling."""
        return self.op("MaxPool", x, kernel_shape=[kernel, kernel], strides=[stride, stride], pads=[padding] * 4)

    def finish(self, outputs: dict[str, str]) -> ModelProto:
        """Return the finished model; ``outputs`` maps the names of its outputs to values."""
        for name, value in outputs.items():
            self._graph.node.append(helper.make_node("Identity", [value], [name], name=f"output_{name}"))
            self._graph.output.append(helper.make_empty_tensor_value_info(name))
        known = {output.name: output for output in self._inferred().output}
        for output in self._graph.output:
            output.CopyFrom(known[output.name])
        return self._model

    def _inferred(self) -> GraphProto:
        """Return the graph with types and shapes; large initializers are represented by their shapes only."""
        bare = GraphProto(name=self._graph.name)
        bare.node.extend(self._graph.node)
        bare.input.extend(self._graph.input)
        bare.output.extend(self._graph.output)
        for tensor in self._graph.initializer:
            if math.prod(tensor.dims) <= _SMALL:
                bare.initializer.append(tensor)
            else:
                bare.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
        probe = helper.make_model(bare, opset_imports=self._model.opset_import, ir_version=_IR_VERSION)
        return onnx.shape_inference.infer_shapes(probe, strict_mode=True, data_prop=True).graph
