"""ResNet-50 for 224x224 images, with strides in the 3x3 convolutions (v1.5) and folded batch normalisation."""

from __future__ import annotations

from onnx import ModelProto

from neuron_tools.models.builder import NetworkBuilder

SIZE = 224
CLASSES = 1000
_BLOCKS = ((64, 3), (128, 4), (256, 6), (512, 3))
_EXPANSION = 4


def build_resnet50(batch: int, seed: int, dtype: str) -> ModelProto:
    """Build the network with input ``image`` [batch, 3, 224, 224] and output ``logits``."""
    net = NetworkBuilder("resnet50", seed, dtype)
    x = net.op("Relu", net.conv(net.features("image", (batch, 3, SIZE, SIZE)), 3, 64, 7, stride=2))
    x = net.max_pool(x, 3, 2, padding=1)
    channels = 64
    for stage, (width, count) in enumerate(_BLOCKS):
        for block in range(count):
            stride = 2 if stage and not block else 1
            x = _bottleneck(net, x, channels, width, stride)
            channels = width * _EXPANSION
    x = net.op("Flatten", net.op("GlobalAveragePool", x))
    weight = net.weight((channels, CLASSES), channels)
    return net.finish({"logits": net.op("Gemm", x, weight, net.vector(CLASSES))})


def _bottleneck(net: NetworkBuilder, x: str, channels: int, width: int, stride: int) -> str:
    wide = width * _EXPANSION
    y = net.op("Relu", net.conv(x, channels, width, 1))
    y = net.op("Relu", net.conv(y, width, width, 3, stride))
    y = net.conv(y, width, wide, 1)
    if channels != wide or stride != 1:
        x = net.conv(x, channels, wide, 1, stride)
    return net.op("Relu", net.op("Add", y, x))
