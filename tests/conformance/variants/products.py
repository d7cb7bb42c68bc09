"""Convolutions and products."""

from __future__ import annotations

from collections.abc import Iterator

from tests.conformance.variants.generator import Of, Variant, for_operators


@for_operators("Conv")
def _conv(of: Of) -> Iterator[Variant]:
    x, w, b = of.data(1, 4, 6, 7), of.data(6, 4, 3, 3), of.data(6)
    yield Variant("", {}, [x, w], fixed=(1,))
    yield Variant("bias", {"pads": [1, 2, 0, 1], "strides": [2, 1]}, [x, w, b], fixed=(1, 2))
    yield Variant("groups", {"group": 2, "dilations": [2, 1]}, [x, of.data(6, 2, 3, 3), b], fixed=(1, 2))
    yield Variant("depthwise", {"group": 4}, [x, of.data(4, 1, 3, 3)], fixed=(1,))
    for mode in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        yield Variant(mode, {"auto_pad": mode, "strides": [2, 2]}, [x, of.data(3, 4, 2, 2)], fixed=(1,))
    yield Variant("1d", {"pads": [1, 1]}, [of.data(2, 3, 8), of.data(4, 3, 3)], fixed=(1,))
    yield Variant("3d", {}, [of.data(1, 2, 4, 4, 4), of.data(3, 2, 2, 2, 2)], fixed=(1,))
    yield Variant("weights at run time", {"kernel_shape": [3, 3]}, [x, w, b])


@for_operators("ConvTranspose")
def _conv_transpose(of: Of) -> Iterator[Variant]:
    x, w = of.data(1, 4, 4, 5), of.data(4, 3, 3, 3)
    for label, attributes in (
        ("", {}),
        ("strides", {"strides": [2, 3], "pads": [1, 0, 1, 2]}),
        ("padding", {"strides": [2, 2], "output_padding": [1, 1]}),
        ("shape", {"strides": [2, 2], "output_shape": [8, 10]}),
        ("shape odd", {"strides": [2, 2], "output_shape": [10, 12]}),
        ("upper", {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
        ("lower", {"strides": [2, 2], "auto_pad": "SAME_LOWER"}),
        ("dilations", {"dilations": [2, 1]}),
    ):
        yield Variant(label, attributes, [x, w], fixed=(1,))
    yield Variant("groups", {"group": 2}, [x, of.data(4, 2, 3, 3), of.data(4)], fixed=(1, 2))
    yield Variant("1d", {"strides": [2]}, [of.data(1, 2, 5), of.data(2, 3, 3)], fixed=(1,))


@for_operators("MatMul")
def _matmul(of: Of) -> Iterator[Variant]:
    for a, b in (
        ((2, 3), (3, 4)),
        ((3,), (3, 4)),
        ((2, 3), (3,)),
        ((3,), (3,)),
        ((5, 1, 2, 3), (4, 3, 2)),
        ((0, 3), (3, 2)),
    ):
        yield Variant(f"{a}{b}", {}, [of.data(*a), of.data(*b)])
    yield Variant("inner 0", {}, [of.data(2, 0), of.data(0, 3)])


@for_operators("Gemm")
def _gemm(of: Of) -> Iterator[Variant]:
    a, b, c = of.data(2, 3), of.data(3, 4), of.data(4)
    yield Variant("", {}, [a, b, c])
    yield Variant("scaled", {"alpha": 0.5, "beta": 2.0}, [a, b, of.data(2, 4)])
    yield Variant("transposed", {"transA": 1, "transB": 1}, [of.data(3, 2), of.data(4, 3), of.data(2, 1)])
    yield Variant("scalar", {"beta": 0.5}, [a, b, of.data()])
    yield Variant("vector", {}, [a, b, of.data(1)])
    yield Variant("no beta", {"beta": 0.0}, [a, b, c])
    if of.version >= 11:
        yield Variant("two", {"alpha": 2.0}, [a, b])


@for_operators("Einsum")
def _einsum(of: Of) -> Iterator[Variant]:
    a, b = of.data(2, 3, 4), of.data(2, 4, 5)
    for equation, inputs in (
        ("bij,bjk->bik", [a, b]), ("bij,bjk", [a, b]), ("bij->", [a]), ("bij->jib", [a]), ("b i j -> b", [a]),
        ("...ij,...jk->...ik", [a, b]), ("ii->i", [of.data(3, 3)]),
        ("i,j,k->ijk", [of.data(2), of.data(3), of.data(4)]),
        ("ij,jk,kl->il", [of.data(2, 3), of.data(3, 4), of.data(4, 2)]), ("...->...", [a]), ("ba", [of.data(2, 3)]),
    ):  # fmt: skip
        yield Variant(equation, {"equation": equation}, inputs)
