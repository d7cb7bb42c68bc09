"""Resize and Upsample."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from tests.conformance.variants.generator import Of, Variant, for_operators, ints


@for_operators("Resize")
def _resize(of: Of) -> Iterator[Variant]:
    x = of.data(1, 2, 4, 5)
    up, down = np.array([1, 1, 2, 1.5], np.float32), np.array([1, 1, 0.6, 0.5], np.float32)
    if of.version < 11:
        for mode, scales in itertools.product(("nearest", "linear"), (up, down)):
            yield Variant(f"{mode}{scales[2]:.1f}", {"mode": mode}, [x, scales], fixed=(1,))
        return
    none = [None] if of.version >= 13 else [np.zeros(0, np.float32)]
    coordinates = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
    coordinates += ["half_pixel_symmetric"] if of.version >= 19 else []
    for mode, how, scales in itertools.product(("nearest", "linear", "cubic"), coordinates, (up, down)):
        attributes = {"mode": mode, "coordinate_transformation_mode": how}
        label = f"{mode} {how} {scales[2]:.1f}"
        if of.version >= 13:
            yield Variant(label, attributes, [x, None, scales], fixed=(2,))
        else:
            yield Variant(label, attributes, [x, *none, scales], fixed=(1, 2))
        size = ints(1, 2, 7, 3)
        last = [x, None, None, size] if of.version >= 13 else [x, *none, np.zeros(0, np.float32), size]
        if scales is up:
            yield Variant(
                f"{mode} {how} size", attributes, last, fixed=tuple(i for i in (1, 2, 3) if last[i] is not None)
            )
    for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
        first = [x, None] if of.version >= 13 else [x, *none]
        fixed = (2,) if of.version >= 13 else (1, 2)
        yield Variant(rounding, {"nearest_mode": rounding}, [*first, up], fixed=fixed)
        how = {"nearest_mode": rounding, "coordinate_transformation_mode": "asymmetric"}
        yield Variant(f"asymmetric {rounding}", how, [*first, down], fixed=fixed)
        # Some positions are half-way between two elements, except for the rounding of the scale.
        for scale in (0.3, 0.6, 0.7, 1.7):
            row = [of.data(1, 1, 1, 9), *first[1:], np.array([1, 1, 1, scale], np.float32)]
            yield Variant(f"half-way {rounding} {scale}", {"nearest_mode": rounding}, row, fixed=fixed)
    if of.version >= 13:
        region = np.array([0, 0, 0.2, 0.1, 1, 1, 0.8, 0.9], np.float32)
        crop = {"coordinate_transformation_mode": "tf_crop_and_resize", "mode": "linear", "extrapolation_value": 7.0}
        yield Variant("crop", crop, [x, region, None, ints(1, 2, 3, 3)], fixed=(1, 3))
        yield Variant(
            "cubic outside", {"mode": "cubic", "exclude_outside": 1, "cubic_coeff_a": -0.5}, [x, None, up], fixed=(2,)
        )
    if of.version >= 18:
        yield Variant("axes", {"axes": [2, 3]}, [x, None, up[2:]], fixed=(2,))
        yield Variant(
            "axes turned", {"axes": [3, 2], "mode": "linear"}, [x, None, np.array([1.5, 2], np.float32)], fixed=(2,)
        )
        yield Variant("antialias", {"antialias": 1, "mode": "linear"}, [x, None, down], fixed=(2,))
        for policy in ("not_larger", "not_smaller"):
            attributes = {"keep_aspect_ratio_policy": policy, "axes": [2, 3]}
            yield Variant(policy, attributes, [x, None, None, ints(7, 8)], fixed=(3,))


@for_operators("Upsample")
def _upsample(of: Of) -> Iterator[Variant]:
    x = of.data(1, 2, 3, 4)
    for mode, scales in itertools.product(("nearest", "linear"), ([1.0, 1.0, 2.0, 3.0], [1.0, 1.0, 1.5, 2.0])):
        label = f"{mode}{scales[2]}"
        if of.version < 9:
            yield Variant(label, {"mode": mode, "scales": scales}, [x])
        else:
            yield Variant(label, {"mode": mode}, [x, np.array(scales, np.float32)], fixed=(1,))
