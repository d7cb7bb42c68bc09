"""OpenPose, the two-branch body network for COCO: ten layers of VGG-19, six stages of part fields and heat maps."""

from __future__ import annotations

from onnx import ModelProto

from neuron_tools.models.builder import NetworkBuilder

HEIGHT, WIDTH = 368, 656
FIELDS, PARTS = 38, 19
FEATURES = 128
_VGG = ((64, 64), (128, 128), (256, 256, 256, 256), (512, 512))
_LATER_STAGES = 5


def build_openpose(batch: int, seed: int, dtype: str) -> ModelProto:
    """Build the network with input ``image`` [batch, 3, 368, 656] and output ``maps`` [batch, 57, 46, 82]."""
    net = NetworkBuilder("openpose", seed, dtype)
    x, channels = net.features("image", (batch, 3, HEIGHT, WIDTH)), 3
    for block, widths in enumerate(_VGG):
        if block:
            x = net.max_pool(x, 2, 2)
        for width in widths:
            x, channels = _relu(net, x, channels, width, 3), width
    features = _relu(net, _relu(net, x, channels, 256, 3), 256, FEATURES, 3)
    fields, parts = _first(net, features, FIELDS), _first(net, features, PARTS)
    for _ in range(_LATER_STAGES):
        joined = net.op("Concat", fields, parts, features, axis=1)
        fields, parts = _later(net, joined, FIELDS), _later(net, joined, PARTS)
    return net.finish({"maps": net.op("Concat", parts, fields, axis=1)})


def _relu(net: NetworkBuilder, x: str, channels: int, out: int, kernel: int) -> str:
    return net.op("Relu", net.conv(x, channels, out, kernel))


def _first(net: NetworkBuilder, x: str, out: int) -> str:
    for _ in range(3):
        x = _relu(net, x, FEATURES, 128, 3)
    return net.conv(_relu(net, x, 128, 512, 1), 512, out, 1)


def _later(net: NetworkBuilder, x: str, out: int) -> str:
    x = _relu(net, x, FIELDS + PARTS + FEATURES, 128, 7)
    for _ in range(4):
        x = _relu(net, x, 128, 128, 7)
    return net.conv(_relu(net, x, 128, 128, 1), 128, out, 1)
