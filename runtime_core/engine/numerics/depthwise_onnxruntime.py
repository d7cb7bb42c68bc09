"""Depthwise convolutions by ONNX Runtime, which has kernels for them: NumPy takes five times as long.

The sums have another order than those of ``depthwise.py``, and the same bound: that of a sum in FP32. Without ONNX
Runtime the engine computes them in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec

import numpy as np

from runtime_core.engine.numerics.types import Array


def onnxruntime_depthwise(
    weight: Array | None, group: int, strides: Sequence[int], dilations: Sequence[int], pads: Sequence[int]
) -> Callable[[Array], Array] | None:
    """What convolves FP32 images (N, C, H, W) with the weight, without a bias.

    Returns:
        ``None`` where the weight is not constant or no depthwise one in FP32 of two dimensions, or where ONNX Runtime
        is not installed or refuses it.
    """
    if weight is None or weight.dtype != np.float32 or weight.ndim != 4 or not weight.size:
        return None
    if not (weight.shape[0] == group > 1 == weight.shape[1]) or find_spec("onnxruntime") is None:
        return None
    try:
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        return None
    from runtime_core.engine.numerics.evaluator import RefusedError, onnxruntime_session

    node = helper.make_node(
        "Conv", ["x", "w"], ["y"], group=group, strides=[*strides], dilations=[*dilations], pads=[*pads]
    )
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", group, "h", "w"])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "depthwise", [image], [result], [numpy_helper.from_array(weight, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    try:
        session = onnxruntime_session(model, rewrite=True)
    except RefusedError:
        return None

    def convolve(x: Array) -> Array:
        (y,) = session.run(None, {"x": x})
        return np.asarray(y)

    return convolve
