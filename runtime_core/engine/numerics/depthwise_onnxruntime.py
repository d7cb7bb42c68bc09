"""Depthwise convolutions by ONNX Runtime, which has kernels for them: NumPy takes five times as long.

The sums have another order than those of ``depthwise.py``, and the same bound: that of a sum in FP32. Without ONNX
Runtime the engine computes them in NumPy.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from runtime_core.engine.numerics.types import Array

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def onnxruntime_depthwise(
    weight: Array | None, group: int, strides: Sequence[int], dilations: Sequence[int], pads: Sequence[int]
) -> OnnxRuntimeDepthwise | None:
    """What convolves FP32 images (N, C, H, W) with a constant weight, without a bias.

    Returns:
        ``None`` where the weight, of which only type and shape matter here, is not constant or no depthwise one in FP32
        of two dimensions, or where ONNX Runtime is not installed.
    """
    if weight is None or weight.dtype != np.float32 or weight.ndim != 4 or not weight.size:
        return None
    if not (weight.shape[0] == group > 1 == weight.shape[1]) or find_spec("onnxruntime") is None:
        return None
    return OnnxRuntimeDepthwise(group, strides, dilations, pads)


class OnnxRuntimeDepthwise:
    """A depthwise convolution whose first call makes the session. Threads may share it."""

    def __init__(self, group: int, strides: Sequence[int], dilations: Sequence[int], pads: Sequence[int]) -> None:
        """Keep what :func:`onnxruntime_depthwise` was given."""
        self._group = group
        self._geometry = [*strides], [*dilations], [*pads]
        self._lock = threading.Lock()
        self._session: InferenceSession | None = None
        self._refused = False

    def __call__(self, x: Array, weight: Array) -> Array | None:
        """Convolve with the weight, the same at each call; ``None`` where ONNX Runtime refuses it."""
        if self._session is None and not self._refused:
            with self._lock:
                if self._session is None and not self._refused:
                    self._session = self._made(weight)
                    self._refused = self._session is None
        if self._session is None:
            return None
        (y,) = self._session.run(None, {"x": x})
        return np.asarray(y)

    def _made(self, weight: Array) -> InferenceSession | None:
        try:
            from onnx import TensorProto, helper, numpy_helper
        except ImportError:
            return None
        from runtime_core.engine.numerics.evaluator import RefusedError, onnxruntime_session

        strides, dilations, pads = self._geometry
        node = helper.make_node(
            "Conv", ["x", "w"], ["y"], group=self._group, strides=strides, dilations=dilations, pads=pads
        )
        image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", self._group, "h", "w"])
        result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
        graph = helper.make_graph([node], "depthwise", [image], [result], [numpy_helper.from_array(weight, "w")])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        try:
            return onnxruntime_session(model, rewrite=True)
        except RefusedError:
            return None
