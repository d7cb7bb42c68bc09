"""Some random graphs against ONNX Runtime; ``make fuzz-compiler MINUTES=...`` runs many."""

import pytest

pytest.importorskip("onnxruntime")

from hypothesis import HealthCheck, given, settings

from tests.conformance.fuzz import check
from tests.conformance.random_graphs import graphs


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(graphs())
def test_random_graphs_compute_what_onnx_runtime_computes(graph):
    assert check(graph) in ("same", "no oracle")
