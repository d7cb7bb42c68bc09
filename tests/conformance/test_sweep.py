"""Operators in every operator set, type and place against ONNX Runtime; ``make conformance`` runs all of it."""

import os
import zlib

import pytest

pytest.importorskip("onnxruntime")

from runtime_core.engine.numerics.reference import PROVEN
from tests.conformance.sweep import (
    by_reference,
    cases,
    difference,
    differing,
    expected,
    model_of,
    outcomes,
    reason_of,
    table,
)
from tests.conformance.variants import GENERATORS

ALL = os.environ.get("CONFORMANCE") == "all"
SHARE = 1 if ALL else 40


def chosen():
    """Every case, or one in 40 with at least one of each operator."""
    for operator in sorted(GENERATORS):
        every = list(cases([operator]))
        some = [c for c in every if zlib.crc32(c.name.encode()) % SHARE == 0]
        yield from some or every[:1]


@pytest.mark.timeout(5400 if ALL else 120)
def test_operators_compute_what_onnx_runtime_does_wherever_they_run():
    found = [outcome for case in chosen() for outcome in outcomes(case)]
    listed = differing()
    print(table(found, listed))
    other = [o for o in found if o.kind != "right"]
    unlisted = [o for o in other if not reason_of(o, listed)]
    assert not unlisted, f"{len(unlisted)} cases: {unlisted[:5]}"
    assert len(found) > (50_000 if ALL else 1_000)
    if ALL:
        used = {start for start in listed if any(f"{o.place} {o.name}".startswith(start) for o in other)}
        assert used == listed.keys(), f"right now, take them off the list: {sorted(listed.keys() - used)}"


def test_a_planted_fault_is_found(monkeypatch):
    import numpy as np

    from runtime_core.engine.numerics import program

    monkeypatch.setitem(program.KERNELS, "softmax", lambda attributes, _: lambda x: np.zeros_like(x))
    kinds = {o.place: o.kind for case in list(cases(["Softmax"]))[:1] for o in outcomes(case)}
    assert kinds == {"core": "wrong", "cpu": "right", "folded": "right"}


@pytest.mark.skipif(not ALL, reason="make conformance: it evaluates everything twice")
@pytest.mark.timeout(1800)
def test_the_reference_evaluator_is_listed_exactly_where_it_is_proven():
    import onnx

    bad, good = set(), set()
    for case in cases():
        key = (case.operator, onnx.defs.get_schema(case.operator, case.version).since_version)
        want = expected(case)
        if want is None:
            continue
        feeds = {f"i{k}": a for k, a in enumerate(case.variant.inputs) if a is not None}
        got = by_reference(model_of(case, (), None), feeds)
        same = got is not None and not any(map(difference, got, want))
        (good if same else bad).add(key)
    listed = {(name, version) for name, every in PROVEN.items() for version in every}
    assert not listed & bad, "not equal on every variant"
