"""What the instructions compute, in NumPy with the chip's precision."""

from runtime_core.engine.numerics.program import GraphProgram, load_program, shared_program
from runtime_core.engine.numerics.types import numpy_dtype

__all__ = ["GraphProgram", "load_program", "numpy_dtype", "shared_program"]
