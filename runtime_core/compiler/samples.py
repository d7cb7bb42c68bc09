"""Check by execution that a model computes its samples independently, as a batch set by the compiler requires."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from runtime_core.compiler.ir import Array
from runtime_core.engine.numerics import load_program
from runtime_core.engine.numerics.types import numpy_dtype
from runtime_core.errors import ModelFileError
from runtime_core.neff.graph import TensorSpec
from runtime_core.neff.model import Neff

_TOLERANCE = 1e-3
"""Relative to the largest element: sums of other batch sizes are rounded in another order."""
_DIFFERENT_RATIO = 0.02
"""Share of elements that may exceed the tolerance: rounding decides comparisons, such as of ArgMax, now and then."""
_MEND = "compile it with --batch for the number of samples that it gets, or export one without operators over samples"

Sample = Mapping[str, Array]


class _Model(NamedTuple):
    """A model at one batch size, as a function of samples."""

    run: Callable[[Mapping[str, Array]], Mapping[str, Array]]
    batch: int

    def of(self, *samples: Sample) -> list[Sample]:
        """Execute a batch of samples; return the outputs of each."""
        feeds = {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}
        outputs = self.run(feeds)
        return [{name: array[place] for name, array in outputs.items()} for place in range(self.batch)]


def check_independent(compiled: Callable[[int], Neff], where: str, change: str, mend: str = _MEND) -> None:
    """Check that the result of a sample depends neither on other samples, nor on its place, nor on their number.

    Args:
        compiled: returns the model for a number of samples, which are the first dimension of every input and output.
        where: the model's file or name, for messages.
        change: what would change the number of samples, for messages.
        mend: the remedy, for messages.

    Raises:
        ModelFileError: it does, or the model cannot be executed with 2 or 3 samples.
    """
    neffs = compiled(2), compiled(3)
    two, three = (_Model(load_program(neff).run, batch) for batch, neff in zip((2, 3), neffs, strict=True))
    one, other = (_sample(neffs[0].graph.inputs, seed) for seed in (0, 1))
    try:
        alone, again, others = two.of(one, one), two.of(one, one), two.of(other, other)
        mixed, more = two.of(one, other), three.of(one, one, other)
    except Exception as error:
        raise ModelFileError(
            f"the model cannot be executed with 2 and with 3 samples: {str(error) or type(error).__name__}",
            where=where,
            mend="export it with an open batch dimension",
        ) from error
    if _differing(alone[0], again[0]):
        # Random operators: each execution has other results.
        return
    comparisons = (
        ("the other samples of its batch", mixed[0], alone[0]),
        ("the other samples of its batch", mixed[1], others[1]),
        ("its place in the batch", alone[1], alone[0]),
        ("the number of samples", more[0], alone[0]),
        ("the number of samples", more[2], others[0]),
    )
    for reason, found, expected in comparisons:
        output = _differing(found, expected)
        if output:
            raise ModelFileError(
                f"output {output!r} of a sample depends on {reason}: {change} would change its results",
                where=where,
                mend=mend,
            )


def _sample(inputs: tuple[TensorSpec, ...], seed: int) -> Sample:
    """Return random inputs of one sample. Integers are 0 or 1, which most tables and axes accept as indices."""
    rng = np.random.default_rng(seed)
    sample: dict[str, Array] = {}
    for spec in inputs:
        dtype = numpy_dtype(spec.dtype)
        values = rng.standard_normal(spec.shape[1:]) if dtype.kind in "fV" else rng.integers(0, 2, spec.shape[1:])
        sample[spec.name] = np.asarray(values).astype(dtype)
    return sample


def _differing(found: Sample, expected: Sample) -> str:
    """Return the first output that differs by more than rounding explains, else ""."""
    for name, array in found.items():
        left, right = (np.asarray(value, np.float64) for value in (array, expected[name]))
        scale = np.max(np.abs(right), initial=0.0, where=np.isfinite(right))
        same = np.isclose(left, right, rtol=_TOLERANCE, atol=_TOLERANCE * scale, equal_nan=True)
        if np.count_nonzero(~same) > _DIFFERENT_RATIO * same.size:
            return name
    return ""
