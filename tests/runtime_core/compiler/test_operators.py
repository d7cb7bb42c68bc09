"""docs/reference/operators.md and the rules from which it is generated."""

from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx")

from onnx.backend.test.case.node import collect_testcases  # noqa: E402

from runtime_core.compiler import CompileOptions, Fp32Cast  # noqa: E402
from runtime_core.compiler import compile as compile_model  # noqa: E402
from runtime_core.compiler.lower import RULES  # noqa: E402
from runtime_core.compiler.operators import on_engines, operators_markdown  # noqa: E402
from runtime_core.errors import ModelFileError  # noqa: E402
from runtime_core.neff.graph import EngineKind  # noqa: E402

PAGE = Path(__file__).parents[3] / "docs/reference/operators.md"


def test_the_page_is_what_the_code_says():
    text = PAGE.read_text()
    assert "\n".join(on_engines()) in text, "run: make docs"
    if f"In onnx {onnx.__version__}:" in text:
        assert text == operators_markdown(), "run: make docs"


def single_operator_models():
    """One small model per operator, from the test cases of the onnx package."""
    models = {}
    for case in collect_testcases(None):
        if case.model is not None and len(case.model.graph.node) == 1:
            operator = case.model.graph.node[0].op_type
            if operator in RULES:
                models.setdefault(operator, []).append(case.model)
    return models


def test_the_engine_that_the_page_names_does_the_work():
    checked = 0
    for operator, models in single_operator_models().items():
        engines = set()
        for model in models[:6]:
            try:
                neff = compile_model(model, CompileOptions(fp32_cast=Fp32Cast.NONE))
            except ModelFileError:
                # Text and similar types.
                continue
            engines.update(i.engine for n in neff.graph.nodes for i in n.instructions)
        if engines:
            assert RULES[operator].engine in engines or engines == {EngineKind.DMA}, operator
            checked += 1
    assert checked > 90
