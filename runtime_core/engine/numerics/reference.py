"""Which operators the onnx package's reference evaluator may run, where ONNX Runtime has no kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

PROVEN: Mapping[str, tuple[int, ...]] = {
    "Abs": (6, 13),
    "Acos": (7, 22),
    "Acosh": (9, 22),
    "Add": (7, 13, 14),
    "And": (7,),
    "ArgMax": (1, 11, 12, 13),
    "ArgMin": (1, 11, 12, 13),
    "Asin": (7, 22),
    "Asinh": (9, 22),
    "Atan": (7, 22),
    "Atanh": (9, 22),
    "AveragePool": (7,),
    "BatchNormalization": (14, 15),
    "BitCast": (26,),
    "BitShift": (11, 28),
    "BitwiseAnd": (18,),
    "BitwiseNot": (18,),
    "BitwiseOr": (18,),
    "BitwiseXor": (18,),
    "Cast": (6, 9, 13, 19, 21, 23, 24, 25, 28),
    "CastLike": (15, 19, 21, 23, 24, 25),
    "Ceil": (6, 13),
    "Celu": (28,),
    "CenterCropPad": (18,),
    "Clip": (6, 11, 12, 13),
    "Compress": (9, 11, 28),
    "Concat": (4, 11, 13),
    "ConstantOfShape": (9, 20, 21, 23, 24, 25),
    "Conv": (1, 11, 22),
    "ConvInteger": (10,),
    "Cos": (7, 22),
    "Cosh": (9, 22),
    "CumSum": (11, 14),
    "DepthToSpace": (1, 11, 13, 28),
    "DequantizeLinear": (19, 21, 23, 24, 25),
    "Div": (7, 13, 14),
    "Einsum": (12, 28),
    "Elu": (6, 22),
    "Equal": (7, 11, 13, 19),
    "Erf": (9, 13),
    "Exp": (6, 13),
    "Expand": (8, 13),
    "EyeLike": (9, 22),
    "Floor": (6, 13),
    "Gather": (1, 11, 13),
    "GatherND": (11, 12, 13),
    "Gelu": (20,),
    "Gemm": (7, 9, 11, 13),
    "GlobalAveragePool": (1, 22),
    "Greater": (7, 9, 13),
    "GreaterOrEqual": (12, 16),
    "GroupNormalization": (21,),
    "HardSigmoid": (6, 22),
    "HardSwish": (14, 22),
    "Hardmax": (13,),
    "Identity": (1, 13, 14, 16, 19, 21, 23, 24, 25),
    "ImageDecoder": (20,),
    "InstanceNormalization": (6, 22),
    "IsInf": (10, 20),
    "IsNaN": (9, 13, 20),
    "LeakyRelu": (6, 16),
    "Less": (7, 9, 13),
    "LessOrEqual": (12, 16),
    "Log": (6, 13),
    "LogSoftmax": (13,),
    "LpPool": (2, 11),
    "MatMul": (1, 9, 13),
    "MatMulInteger": (10,),
    "Max": (6, 8, 12, 13),
    "MaxUnpool": (9, 11, 22),
    "Mean": (6,),
    "Min": (6, 8, 12, 13),
    "Mish": (18, 22),
    "Mod": (10, 13, 28),
    "Mul": (7, 13, 14),
    "Neg": (6, 13),
    "NegativeLogLikelihoodLoss": (12, 13, 22),
    "OptionalGetElement": (18, 28),
    "OptionalHasElement": (18, 28),
    "Or": (7,),
    "Pow": (7, 12, 13, 15),
    "QLinearConv": (10,),
    "QuantizeLinear": (10, 13, 21, 23, 24, 25),
    "RMSNormalization": (23,),
    "Range": (11, 27),
    "Reciprocal": (6, 13),
    "ReduceL1": (1, 11, 13, 18),
    "ReduceL2": (1, 11, 13, 18),
    "ReduceLogSum": (28,),
    "ReduceMax": (1, 11, 12, 13, 18, 20),
    "ReduceMin": (1, 11, 12, 13, 18, 20),
    "ReduceProd": (1, 11, 13, 18),
    "ReduceSum": (1, 11, 13),
    "Relu": (6, 13, 14),
    "Reshape": (5, 13, 14, 19, 21, 23, 24, 25),
    "ReverseSequence": (10, 28),
    "RoiAlign": (16,),
    "Round": (11, 22),
    "ScatterElements": (11, 13, 16, 18),
    "ScatterND": (11, 13, 16, 18),
    "Selu": (6, 22),
    "Shape": (1, 13, 15, 19, 21, 23, 24, 25),
    "Shrink": (9,),
    "Sigmoid": (6, 13),
    "Sin": (7, 22),
    "Sinh": (9, 22),
    "Size": (1, 13, 19, 21, 23, 24, 25),
    "Softmax": (13,),
    "SoftmaxCrossEntropyLoss": (12, 13),
    "Softplus": (1, 22),
    "SpaceToDepth": (1, 13, 28),
    "Split": (2, 11, 13, 18),
    "Sqrt": (6, 13),
    "Squeeze": (1, 11, 13, 21, 23, 24, 25),
    "Sub": (7, 13, 14),
    "Sum": (6, 8, 13),
    "Swish": (24,),
    "Tan": (7, 22),
    "Tanh": (6, 13),
    "ThresholdedRelu": (10, 22),
    "Tile": (6, 13),
    "TopK": (1, 10, 11, 24),
    "Transpose": (1, 13, 21, 23, 24, 25),
    "Trilu": (14,),
    "Unique": (11, 28),
    "Unsqueeze": (13, 21, 23, 24, 25),
    "Where": (9, 16),
    "Xor": (7,),
}
"""Operator of the default domain -> the operator sets that introduced the versions on which both evaluators agree.

``make conformance`` compares them, on every variant and type that ONNX Runtime takes. For an operator that ONNX Runtime
lacks altogether, the expected values of the onnx package's own suite decide.
"""

OTHER_DOMAINS = frozenset(
    {
        ("ai.onnx.preview", "FlexAttention", 1),
        ("ai.onnx.preview.training", "Adagrad", 1),
        ("ai.onnx.preview.training", "Adam", 1),
        ("ai.onnx.preview.training", "Momentum", 1),
    }
)
"""Operators of other domains that only the reference evaluator has; it returns what that suite expects."""

PREFERRED = frozenset({"MaxUnpool"})
"""Of these, ONNX Runtime has a kernel that contradicts the specification where the output's shape is given."""


def runs_in_reference(model: ModelProto) -> bool:
    """Whether the reference evaluator is right for every operator of the model."""
    versions = {o.domain: o.version for o in model.opset_import}
    return bool(model.graph.node) and all(_is_proven(node, versions.get(node.domain, 0)) for node in model.graph.node)


def prefers_reference(model: ModelProto) -> bool:
    """Whether it is right where ONNX Runtime is not."""
    return any(not n.domain and n.op_type in PREFERRED for n in model.graph.node) and runs_in_reference(model)


def _is_proven(node: NodeProto, version: int) -> bool:
    from onnx import defs

    if not defs.has(node.op_type, version, node.domain):
        return False
    since = int(defs.get_schema(node.op_type, version, node.domain).since_version)
    if node.domain:
        return (node.domain, node.op_type, since) in OTHER_DOMAINS
    return since in PROVEN.get(node.op_type, ())
