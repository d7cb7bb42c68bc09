"""Convolutions and pooling: channels, filters, and windows within the padded input."""

from __future__ import annotations

from runtime_core.compiler.fits.extents import alike, divides, named
from runtime_core.compiler.lower.context import Lowering


def conv(lo: Lowering, weight: int, bias: int) -> str:
    """Filters for the channels, and a bias for each filter."""
    filters, group = lo.shape(weight), lo.integer("group", 1)
    kernel = lo.integers("kernel_shape")
    if kernel and kernel != list(filters[2:]):
        return f"{named(lo, weight)} should have a window of {kernel}"
    if len(filters) != len(lo.shape()) or len(filters) < 3:
        return f"{named(lo, 0)} and {named(lo, weight)} should have as many dimensions, and 3 or more"
    if lo.shape()[1] != filters[1] * group:
        return f"{named(lo, 0)} should have {filters[1] * group} channels, for {named(lo, weight)}"
    if filters[0] % group:
        return f"{named(lo, weight)} does not divide into {group} groups"
    return alike(lo, bias, filters[:1])


def conv_transpose(lo: Lowering) -> str:
    """Filters for the channels, and a bias for each channel of the output."""
    filters, group = lo.shape(1), lo.integer("group", 1)
    if len(filters) != len(lo.shape()) or lo.shape()[1] != filters[0]:
        return f"{named(lo, 0)} and {named(lo, 1)} should have as many dimensions and channels"
    return divides(lo, 1, group) or alike(lo, 2, (filters[1] * group,))


def window(lo: Lowering, weight: int) -> str:
    """No window where inference counts one: it rounds towards 0 if a window is larger than the padded input."""
    kernel = lo.integers("kernel_shape") or list(lo.shape(weight)[2:])
    return "" if lo.text("auto_pad", "NOTSET").startswith("SAME") else _too_large(lo, kernel, 0)


def ceiled_window(lo: Lowering) -> str:
    """In ceil mode a window may reach over the end, but by less than a step."""
    kernel = lo.integers("kernel_shape") or []
    ceiled = lo.integer("ceil_mode", 0) and lo.text("auto_pad", "NOTSET") in ("", "NOTSET")
    return _too_large(lo, kernel, 1) if ceiled else ""


def _too_large(lo: Lowering, kernel: list[int], steps_over: int) -> str:
    spatial, counts = lo.shape()[2:], lo.out_shape()[2:]
    if len(kernel) != len(spatial):
        return f"a window of {len(kernel)} dimensions does not fit {named(lo, 0)}"
    window = lo.window(kernel)
    for axis, (size, extent) in enumerate(zip(spatial, kernel, strict=True)):
        reach = (extent - 1) * window.dilations[axis] + 1
        padded = size + window.pads[axis] + window.pads[len(kernel) + axis]
        if counts[axis] and padded + steps_over * (window.strides[axis] - 1) < reach:
            return f"a window of {reach} elements is larger than the {padded} of dimension {axis + 2}, with padding"
    return ""
