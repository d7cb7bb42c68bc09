"""Functions of onnxscript, which reads their source from this file."""

from onnxscript import FLOAT, opset18, script
from onnxscript.values import Opset

own = Opset("own", 1)


@script(own, default_opset=opset18)
def leaky(x, slope: float = 0.25):
    return opset18.LeakyRelu(x, alpha=slope)


@script(own, default_opset=opset18)
def twice(x, slope: float = 0.5):
    return leaky(leaky(x, slope=slope))


@script(default_opset=opset18)
def nested(x: FLOAT["B", 4]) -> FLOAT["B", 4]:  # noqa: F821
    return twice(x) + leaky(x, slope=0.1)
