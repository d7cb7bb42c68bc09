"""Shapes become passes of the array."""

import pytest

from runtime_core.engine.timing.parameters import CORE_HALF_FLOPS, PARAMETERS, PE_CLOCK_HZ
from runtime_core.engine.timing.tiles import Product, pe_seconds
from runtime_core.neff.graph import DType, EngineKind, Instruction, TensorSpec

BARE = PARAMETERS._replace(pass_overhead_cycles=0)


def cycles(opcode, *shapes, **attributes):
    names = ("a", "b", "out")
    specs = {n: TensorSpec(n, DType.BFLOAT16, shape) for n, shape in zip(names, shapes)}
    instruction = Instruction(EngineKind.PE, opcode, ("a", "b"), ("out",), attributes)
    return pe_seconds(instruction, specs, BARE) * PE_CLOCK_HZ


@pytest.mark.parametrize(
    ("opcode", "shapes", "attributes", "expected"),
    [
        ("matmul", [(128, 768), (768, 3072), (128, 3072)], {}, 6 * 24 * 128),
        ("matmul", [(6, 128, 768), (768, 768), (6, 128, 768)], {}, 36 * 6 * 128),
        ("matmul", [(2, 12, 128, 64), (2, 12, 64, 128), (2, 12, 128, 128)], {}, 24 * 128),
        ("matmul", [(8, 5, 64), (1, 64, 32), (8, 5, 32)], {}, 40),
        ("matmul", [(64,), (64, 32), (32,)], {}, 1),
        ("gemm", [(10, 256), (256, 300), (10, 300)], {}, 2 * 3 * 10),
        ("gemm", [(256, 10), (256, 300), (10, 300)], {"trans_a": 1}, 2 * 3 * 10),
        # 3 channels of a 7x7 window leave rows for the window's other positions.
        ("conv", [(1, 3, 224, 224), (64, 3, 7, 7), (1, 64, 112, 112)], {}, 2 * 112 * 112),
        ("conv", [(5, 256, 14, 14), (512, 256, 3, 3), (5, 512, 14, 14)], {}, 9 * 2 * 4 * 5 * 196),
        ("conv", [(1, 32, 8, 8), (32, 1, 3, 3), (1, 32, 8, 8)], {"group": 32}, 32 * 64),
        ("conv_transpose", [(1, 256, 8, 8), (256, 64, 2, 2), (1, 64, 16, 16)], {}, 2 * 2 * 64),
        ("einsum", [(2, 10, 64), (2, 20, 64), (2, 10, 20)], {"equation": "bik,bjk->bij"}, 2 * 10),
        ("unheard_of", [(2, 2), (2, 2), (2, 2)], {}, 0),
        ("matmul", [(0, 64), (64, 32), (0, 32)], {}, 0),
    ],
)
def test_passes_follow_from_the_shapes(opcode, shapes, attributes, expected):
    assert cycles(opcode, *shapes, **attributes) == pytest.approx(expected)


def test_the_array_is_never_faster_than_published():
    product = Product(1, 128, 128, 4096)
    flops = 2 * 128 * 128 * 4096
    assert product.cycles(BARE) / PE_CLOCK_HZ == pytest.approx(flops / CORE_HALF_FLOPS)
