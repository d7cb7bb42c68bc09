"""YOLOv4 for 608x608 images and the 80 classes of COCO: CSPDarknet53, SPP, PANet, with boxes decoded on the core."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto

from neuron_tools.models.builder import NetworkBuilder

SIZE = 608
CLASSES = 80
_FIELDS = 5 + CLASSES
_ANCHORS = {
    8: ((12, 16), (19, 36), (40, 28)),
    16: ((36, 75), (76, 55), (72, 146)),
    32: ((142, 110), (192, 243), (459, 401)),
}
_SCALE_XY = {8: 1.2, 16: 1.1, 32: 1.05}
_STAGES = ((128, 2), (256, 8), (512, 8), (1024, 4))


def build_yolov4(batch: int, seed: int, dtype: str) -> ModelProto:
    """Build the network: ``image`` [batch, 3, 608, 608] to ``boxes`` [batch, 22743, 4] and ``scores`` [.., 80]."""
    net = NetworkBuilder("yolov4", seed, dtype)
    small, middle, large = _backbone(net, net.features("image", (batch, 3, SIZE, SIZE)))
    small, middle, large = _neck(net, small, middle, large)
    parts = [
        _decode(net, net.conv(_leaky(net, feature, channels, 2 * channels, 3), 2 * channels, 3 * _FIELDS, 1), step)
        for feature, channels, step in ((small, 128, 8), (middle, 256, 16), (large, 512, 32))
    ]
    boxes = net.op("Concat", *(p[0] for p in parts), axis=1)
    scores = net.op("Concat", *(p[1] for p in parts), axis=1)
    return net.finish({"boxes": boxes, "scores": scores})


def _mish(net: NetworkBuilder, x: str, channels: int, out: int, kernel: int, stride: int = 1) -> str:
    return net.op("Mish", net.conv(x, channels, out, kernel, stride))


def _leaky(net: NetworkBuilder, x: str, channels: int, out: int, kernel: int, stride: int = 1) -> str:
    return net.op("LeakyRelu", net.conv(x, channels, out, kernel, stride), alpha=0.1)


def _backbone(net: NetworkBuilder, image: str) -> tuple[str, str, str]:
    """Return features at 1/8, 1/16 and 1/32 of the image size: 256, 512 and 1024 channels."""
    x = _mish(net, image, 3, 32, 3)
    x = _mish(net, x, 32, 64, 3, stride=2)
    side = _mish(net, x, 64, 64, 1)
    main = _mish(net, x, 64, 64, 1)
    main = net.op("Add", main, _mish(net, _mish(net, main, 64, 32, 1), 32, 64, 3))
    x = _mish(net, net.op("Concat", _mish(net, main, 64, 64, 1), side, axis=1), 128, 64, 1)
    features = []
    for channels, blocks in _STAGES:
        half = channels // 2
        x = _mish(net, x, half, channels, 3, stride=2)
        side = _mish(net, x, channels, half, 1)
        main = _mish(net, x, channels, half, 1)
        for _ in range(blocks):
            main = net.op("Add", main, _mish(net, _mish(net, main, half, half, 1), half, half, 3))
        x = _mish(net, net.op("Concat", _mish(net, main, half, half, 1), side, axis=1), channels, channels, 1)
        features.append(x)
    return features[1], features[2], features[3]


def _narrow(net: NetworkBuilder, x: str, channels: int, times: int) -> str:
    """Append alternating 1x1 and 3x3 convolutions, from ``2 * channels`` to ``channels``."""
    x = _leaky(net, x, 2 * channels, channels, 1)
    for _ in range(times):
        x = _leaky(net, _leaky(net, x, channels, 2 * channels, 3), 2 * channels, channels, 1)
    return x


def _neck(net: NetworkBuilder, small: str, middle: str, large: str) -> tuple[str, str, str]:
    """Append SPP on the coarsest features, then the top-down and bottom-up paths: 128, 256 and 512 channels."""
    x = _narrow(net, large, 512, 1)
    pooled = [net.max_pool(x, kernel, 1, padding=kernel // 2) for kernel in (13, 9, 5)]
    x = _leaky(net, net.op("Concat", *pooled, x, axis=1), 2048, 512, 1)
    large = _leaky(net, _leaky(net, x, 512, 1024, 3), 1024, 512, 1)
    middle = _narrow(net, _meet(net, large, middle, 256), 256, 2)
    small = _narrow(net, _meet(net, middle, small, 128), 128, 2)
    middle = _narrow(net, net.op("Concat", _leaky(net, small, 128, 256, 3, stride=2), middle, axis=1), 256, 2)
    large = _narrow(net, net.op("Concat", _leaky(net, middle, 256, 512, 3, stride=2), large, axis=1), 512, 2)
    return small, middle, large


def _meet(net: NetworkBuilder, coarse: str, fine: str, channels: int) -> str:
    """Concatenate enlarged coarse features and fine features, each reduced to ``channels``."""
    scales = net.constant(np.asarray([1, 1, 2, 2], np.float32))
    enlarged = net.op(
        "Resize",
        _leaky(net, coarse, 2 * channels, channels, 1),
        "",
        scales,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    return net.op("Concat", _leaky(net, fine, 2 * channels, channels, 1), enlarged, axis=1)


def _decode(net: NetworkBuilder, raw: str, step: int) -> tuple[str, str]:
    """Return boxes (centre and size, relative to the image) and class scores of one scale."""
    side = SIZE // step
    apart = net.reshape(raw, 0, 3, _FIELDS, side, side)
    rows = net.op("Transpose", apart, perm=[0, 1, 3, 4, 2])
    sizes = net.whole_numbers(2, 2, 1, CLASSES)
    centre, size, object_, classes = net.ops("Split", 4, rows, sizes, axis=4)
    scale = _SCALE_XY[step]
    column, row = np.meshgrid(np.arange(side), np.arange(side))
    grid = (np.stack([column, row], -1)[None, None] - (scale - 1) / 2) / side
    centre = net.op("Mul", net.op("Sigmoid", centre), net.number(scale / side))
    centre = net.op("Add", centre, net.table(grid))
    anchors = np.asarray(_ANCHORS[step], np.float32).reshape(1, 3, 1, 1, 2) / SIZE
    size = net.op("Mul", net.op("Exp", size), net.table(anchors))
    boxes = net.reshape(net.op("Concat", centre, size, axis=4), 0, -1, 4)
    scores = net.op("Mul", net.op("Sigmoid", classes), net.op("Sigmoid", object_))
    return boxes, net.reshape(scores, 0, -1, CLASSES)
