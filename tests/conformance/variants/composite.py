"""Detection, sampling, transforms, losses, attention."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from tests.conformance.variants.generator import Of, Variant, for_operators, ints, one


@for_operators("NonMaxSuppression")
def _nms(of: Of) -> Iterator[Variant]:
    corners = of.random.uniform(0, 1, (1, 6, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + np.float32(0.3)], axis=2)
    scores = of.random.random((1, 2, 6)).astype(np.float32)
    limits = [one(3), np.array(0.3, np.float32), np.array(0.1, np.float32)]
    yield Variant("", {}, [boxes, scores, *limits], fixed=(2, 3, 4))
    yield Variant("centre", {"center_point_box": 1}, [boxes, scores, *limits], fixed=(2, 3, 4))
    yield Variant("no count", {}, [boxes, scores], fixed=())


@for_operators("RoiAlign")
def _roi_align(of: Of) -> Iterator[Variant]:
    x = of.data(1, 2, 6, 6)
    rois, batch = np.array([[0, 0, 4, 4], [1, 1, 5, 3]], of.dtype), ints(0, 0)
    base = {"output_height": 2, "output_width": 2, "sampling_ratio": 2}
    yield Variant("", base, [x, rois, batch])
    yield Variant("max", base | {"mode": "max"}, [x, rois, batch])
    if of.version >= 16:
        yield Variant("old", base | {"coordinate_transformation_mode": "output_half_pixel"}, [x, rois, batch])


@for_operators("GridSample")
def _grid_sample(of: Of) -> Iterator[Variant]:
    x, grid = of.data(1, 2, 4, 4), of.data(1, 3, 3, 2, low=-1.2, high=1.2)
    names = ("bilinear", "nearest", "bicubic") if of.version < 20 else ("linear", "nearest", "cubic")
    for mode, padding in itertools.product(names, ("zeros", "border", "reflection")):
        yield Variant(f"{mode} {padding}", {"mode": mode, "padding_mode": padding}, [x, grid])
    yield Variant("corners", {"align_corners": 1}, [x, grid])


@for_operators("MaxUnpool")
def _max_unpool(of: Of) -> Iterator[Variant]:
    yield Variant(
        "", {"kernel_shape": [2, 2], "strides": [2, 2]}, [of.data(1, 1, 2, 2), np.array([[[[5, 7], [13, 15]]]])]
    )


@for_operators("MaxRoiPool")
def _max_roi_pool(of: Of) -> Iterator[Variant]:
    rois = np.array([[0, 0, 0, 3, 3], [0, 1, 1, 4, 4]], of.dtype)
    yield Variant("", {"pooled_shape": [2, 2]}, [of.data(1, 2, 6, 6), rois])


@for_operators("CenterCropPad")
def _center_crop_pad(of: Of) -> Iterator[Variant]:
    yield Variant("", {}, [of.data(5, 4), ints(3, 7)], fixed=(1,))
    yield Variant("axes", {"axes": [1]}, [of.data(5, 4), ints(3)], fixed=(1,))


@for_operators("Col2Im")
def _col2im(of: Of) -> Iterator[Variant]:
    yield Variant("", {}, [of.data(1, 5, 5), ints(5, 5), ints(1, 5)], fixed=(1, 2))


@for_operators("DFT")
def _dft(of: Of) -> Iterator[Variant]:
    x = of.data(1, 6, 1)
    for attributes in ({}, {"onesided": 1}, {"inverse": 1}):
        data = of.data(1, 6, 2) if "inverse" in attributes else x
        yield Variant(str(attributes), attributes, [data])


@for_operators("HannWindow", "HammingWindow", "BlackmanWindow")
def _window(of: Of) -> Iterator[Variant]:
    for periodic in (0, 1):
        yield Variant(str(periodic), {"periodic": periodic}, [one(6)], fixed=(0,))


@for_operators("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")
def _loss(of: Of) -> Iterator[Variant]:
    x, target = of.data(3, 4), ints(1, 0, 3)
    for reduction in ("none", "mean", "sum"):
        yield Variant(reduction, {"reduction": reduction}, [x, target])
    yield Variant("weights", {}, [x, target, of.data(4, low=0.5)])
    yield Variant("ignored", {"ignore_index": 0}, [x, target])


@for_operators("Attention")
def _attention(of: Of) -> Iterator[Variant]:
    q, k, v = of.data(1, 2, 3, 4), of.data(1, 2, 5, 4), of.data(1, 2, 5, 4)
    yield Variant("", {}, [q, k, v])
    yield Variant("causal", {"is_causal": 1}, [q, k, v])
    yield Variant("mask", {"scale": 0.3}, [q, k, v, of.data(3, 5)])
    yield Variant("flat", {"q_num_heads": 2, "kv_num_heads": 2}, [of.data(1, 3, 8), of.data(1, 5, 8), of.data(1, 5, 8)])
