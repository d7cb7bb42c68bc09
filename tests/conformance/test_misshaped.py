"""Shapes that do not fit, operator by operator; ``make conformance`` runs all of it."""

import os
import zlib

import pytest

pytest.importorskip("onnxruntime")

from runtime_core.compiler import fits
from tests.conformance.misshaped import misshaped, of_operator, outcome, outcomes, unwanted
from tests.conformance.sweep import expected
from tests.conformance.variants import GENERATORS

ALL = os.environ.get("CONFORMANCE") == "all"
SHARE = 1 if ALL else 20


def found():
    for operator in sorted(GENERATORS):
        for case in of_operator(operator):
            chosen = [c for c in misshaped(case) if zlib.crc32(c.name.encode()) % SHARE == 0]
            like = expected(case) if chosen else None
            if like is not None:
                yield from (outcome(changed, like) for changed in chosen)


@pytest.mark.timeout(1800 if ALL else 120)
def test_what_cannot_run_is_refused_when_compiling():
    every = list(found())
    other = [o for o in every if unwanted(o)]
    assert not other, f"{len(other)} cases: {other[:5]}"
    kinds = [o.kind for o in every]
    assert min(kinds.count("right"), kinds.count("refused")) > (5000 if ALL else 200)


@pytest.mark.parametrize("operator", ["Conv", "PRelu", "Reshape", "Transpose"])
def test_without_the_check_it_would_fail_at_run(operator, monkeypatch):
    monkeypatch.setattr(fits, "_problem", lambda module, node: "")
    assert any(o.kind == "failed" for case in of_operator(operator) for o in outcomes(case))
