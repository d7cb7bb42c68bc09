"""ACT and POOL, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from runtime_core.engine.numerics.blocks import in_blocks
from runtime_core.engine.numerics.types import Array, Attributes, Kernel, Maker, number


@in_blocks
def _sigmoid(x: Array) -> Array:
    # The form that never overflows: tanh saturates on both sides.
    half = x.dtype.type(0.5)
    y = np.multiply(x, half)
    np.tanh(y, out=y)
    y *= half
    y += half
    return y


# N. Juffa's fits for FP32, highest power first: of (erf(x) - x) / x in x squared, and of log(erfc(x)) + x in x.
_ERF_NEAR = tuple(
    np.float32(c) for c in (-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1)
)
_ERF_FAR = tuple(
    np.float32(c)
    for c in (
        -1.72853470e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1, -1.28717512e-1,
    )
)  # fmt: skip
_ERF_NEAR_BITS = np.float32(0.927734375).view(np.int32)
"""Where one fit follows the other; positive floats compare as their bits do."""
_SIGN_BIT = np.int32(-(2**31))
_ONE = np.float32(1)


def _polynomial(coefficients: Sequence[np.float32], x: Array) -> Array:
    y = x * coefficients[0]
    for coefficient in coefficients[1:-1]:
        y += coefficient
        y *= x
    y += coefficients[-1]
    return y


def _erf_fp32(x: Array) -> Array:
    size = np.abs(x)
    near = _polynomial(_ERF_NEAR, x * x)
    near *= x
    near += x
    far = _polynomial(_ERF_FAR, size)
    far *= size
    far -= size
    np.exp(far, out=far)
    np.subtract(_ONE, far, out=far)
    # Sign and choice as operations on bits: NumPy's masked copies take longer than both polynomials.
    near_bits, far_bits = near.view(np.int32), far.view(np.int32)
    is_far = _ERF_NEAR_BITS - size.view(np.int32)
    is_far >>= 31
    far_bits |= x.view(np.int32) & _SIGN_BIT
    far_bits ^= near_bits
    far_bits &= is_far
    near_bits ^= far_bits
    return near


@in_blocks
def erf(x: Array) -> Array:
    """The error function in FP32: at most 8e-8 and 1.5 units in the last place from the exact one."""
    return np.asarray(_erf_fp32(np.asarray(x, np.float32)).astype(x.dtype, copy=False))


def _gelu(attributes: Attributes) -> Kernel:
    if attributes.get("approximate") == "tanh":
        factor = math.sqrt(2.0 / math.pi)

        def approximate(x: Array) -> Array:
            t = x.dtype.type
            return t(0.5) * x * (t(1) + np.tanh(t(factor) * (x + t(0.044715) * x * x * x)))

        return in_blocks(approximate)

    def exact(x: Array) -> Array:
        t = x.dtype.type
        y = erf(x * t(math.sqrt(0.5)))
        y += t(1)
        y *= t(0.5) * x
        return y

    return in_blocks(exact)


def _clip(attributes: Attributes) -> Kernel:
    low = number(attributes, "min", -math.inf) if "min" in attributes else None
    high = number(attributes, "max", math.inf) if "max" in attributes else None

    def clip(x: Array) -> Array:
        if low is None:
            return x if high is None else np.minimum(x, np.asarray(high).astype(x.dtype))
        y = np.maximum(x, np.asarray(low).astype(x.dtype))
        if high is not None:
            y = np.minimum(y, np.asarray(high).astype(x.dtype), out=y if y.ndim else None)
        return y

    return clip


def _plain(function: Callable[..., Array]) -> Maker:
    def make(_attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
        return function

    return make


def _with_alpha(function: Callable[[Array, float, float], Array]) -> Maker:
    """A function of one value with the attributes ``alpha`` and ``beta`` or ``gamma``."""

    def make(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
        alpha = number(attributes, "alpha", 1.0)
        second = number(attributes, "beta", number(attributes, "gamma", 0.0))
        return lambda x: function(x, alpha, second).astype(x.dtype, copy=False)

    return make


def _fused(function: Callable[..., Array]) -> Maker:
    """An arithmetic instruction that may carry a rectifier."""

    def make(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
        if attributes.get("activation") != "relu":
            return function

        def rectified(*operands: Array) -> Array:
            y = function(*operands)
            return np.maximum(y, y.dtype.type(0))

        return rectified

    return make


def _divisible(a: Array, b: Array) -> bool:
    """Whether these are integers; NumPy would divide them by zero without an error.

    Raises:
        ZeroDivisionError: they are, and a divisor is zero.
    """
    if b.dtype.kind not in "iu":
        return False
    if a.size and not b.all():
        raise ZeroDivisionError("an integer is divided by zero")
    return True


def _divide(a: Array, b: Array) -> Array:
    # ONNX truncates towards zero, NumPy's // rounds down. The difference is a multiple, which // divides exactly.
    return (a - np.fmod(a, b)) // b if _divisible(a, b) else np.true_divide(a, b)


def _affine(x: Array, scale: Array, shift: Array) -> Array:
    shape = (1, -1, *([1] * (x.ndim - 2)))
    return x * scale.reshape(shape) + shift.reshape(shape)


def _prelu(x: Array, slope: Array) -> Array:
    return np.where(x < 0, x * slope, x).astype(x.dtype, copy=False)


def _softplus(x: Array) -> Array:
    return np.logaddexp(x, x.dtype.type(0))


def _mod(attributes: Attributes, _constants: Sequence[Array | None]) -> Kernel:
    """The sign is the divisor's, or with ``fmod`` the dividend's."""
    remainder = np.fmod if attributes.get("fmod") else np.mod

    def mod(a: Array, b: Array) -> Array:
        _divisible(a, b)
        return remainder(a, b)

    return mod


KERNELS: dict[str, Maker] = {
    "relu": _plain(lambda x: np.maximum(x, x.dtype.type(0))),
    "sigmoid": _plain(_sigmoid),
    "tanh": _plain(np.tanh),
    "exp": _plain(np.exp),
    "log": _plain(np.log),
    "sqrt": _plain(np.sqrt),
    "erf": _plain(erf),
    "neg": _plain(np.negative),
    "abs": _plain(np.abs),
    "reciprocal": _plain(lambda x: x.dtype.type(1) / x),
    "softplus": _plain(_softplus),
    "softsign": _plain(lambda x: x / (x.dtype.type(1) + np.abs(x))),
    "floor": _plain(np.floor),
    "ceil": _plain(np.ceil),
    "round": _plain(np.rint),
    "sin": _plain(np.sin),
    "cos": _plain(np.cos),
    "sign": _plain(np.sign),
    "tan": _plain(np.tan),
    "asin": _plain(np.arcsin),
    "acos": _plain(np.arccos),
    "atan": _plain(np.arctan),
    "sinh": _plain(np.sinh),
    "cosh": _plain(np.cosh),
    "asinh": _plain(np.arcsinh),
    "acosh": _plain(np.arccosh),
    "atanh": _plain(np.arctanh),
    "is_nan": _plain(np.isnan),
    "hard_swish": _plain(lambda x: (x * np.clip(x / 6 + 0.5, 0, 1)).astype(x.dtype)),
    "mish": _plain(lambda x: x * np.tanh(_softplus(x))),
    "leaky_relu": _with_alpha(lambda x, a, _: np.where(x < 0, x * a, x)),
    "elu": _with_alpha(lambda x, a, _: np.where(x < 0, a * np.expm1(np.minimum(x, 0)), x)),
    "selu": _with_alpha(lambda x, a, g: g * np.where(x < 0, a * np.expm1(np.minimum(x, 0)), x)),
    "celu": _with_alpha(lambda x, a, _: np.maximum(x, 0) + np.minimum(0, a * np.expm1(x / a))),
    "hard_sigmoid": _with_alpha(lambda x, a, b: np.clip(x * a + b, 0, 1)),
    "thresholded_relu": _with_alpha(lambda x, a, _: np.where(x > a, x, 0)),
    "gelu": lambda attributes, _: _gelu(attributes),
    "clip": lambda attributes, _: _clip(attributes),
    "add": _fused(np.add),
    "sub": _plain(np.subtract),
    "mul": _plain(np.multiply),
    "div": _plain(_divide),
    "pow": _plain(lambda a, b: np.power(a, b).astype(a.dtype, copy=False)),
    "max": _plain(np.maximum),
    "min": _plain(np.minimum),
    "equal": _plain(np.equal),
    "greater": _plain(np.greater),
    "greater_equal": _plain(np.greater_equal),
    "less": _plain(np.less),
    "less_equal": _plain(np.less_equal),
    "and": _plain(np.logical_and),
    "or": _plain(np.logical_or),
    "xor": _plain(np.logical_xor),
    "mod": _mod,
    "not": _plain(np.logical_not),
    "where": _plain(np.where),
    "prelu": _plain(_prelu),
    "affine": _fused(_affine),
}
