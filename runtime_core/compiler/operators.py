"""Generate the page ``docs/reference/operators.md``: every operator and where it runs; run by ``make docs``."""

from __future__ import annotations

from collections.abc import Iterator

from runtime_core.compiler.expand import EXPANDED
from runtime_core.compiler.importer import MIN_OPSET
from runtime_core.compiler.lower import RULES
from runtime_core.engine.numerics.reference import OTHER_DOMAINS, PROVEN

_INTRODUCTION = f"""\
# Operators

This page is generated from the compiler's tables by `python -m runtime_core.compiler.operators`; a test checks that it
is up to date.

The compiler accepts operator sets from {MIN_OPSET} to the newest one of the installed `onnx` package, and converts
older ones first. No engine computes in float64. An operator outside its limits runs on a CPU node; `neuron-cc compile
--report` lists such operators with the reasons. The compiler evaluates operators whose inputs are all constants, so
they take no time at run time.

ONNX Runtime runs CPU nodes and computes constants. It supports every operator set, and the operators of `com.microsoft`
and `ai.onnx.ml`. If it has no kernel for a version or an element type, the compiler tries, in this order:

1. an older version of the operator that differs only in its element types;
2. wider element types: bfloat16 in FP32, small integers in 32 or 64 bits, rounded or truncated after each operator;
3. the reference evaluator of the `onnx` package, for the versions listed below, for which `make conformance` verifies
   that both give equal results.

The compiler prepares every CPU node and runs it once. It refuses a model that contains an operator without any
implementation, with an error that names the operator.
"""
_WORK = {
    "pe": "PE: products and convolutions",
    "act": "ACT: functions of one value, normalisation",
    "pool": "POOL: several values, pooling, reductions",
    "dma": "DMA: moves data",
}


def on_engines() -> Iterator[str]:
    """Yield a table of the operators that run on the engines."""
    yield "## On NeuronCores\n"
    for engine, title in _WORK.items():
        yield f"### {title}\n\n| operator | limits |\n|---|---|"
        for name, rule in sorted(RULES.items()):
            if rule.engine.value == engine:
                yield f"| {name} | {rule.limits or 'none'} |"
        yield ""
    yield "### Expanded operators\n"
    yield "These operators are replaced by their ONNX definitions, which use operators in the tables above:"
    yield f"{', '.join(sorted(EXPANDED))}.\n"


def on_cpu() -> Iterator[str]:
    """Yield the other operators of the default domain, which run on CPU nodes or not at all."""
    import onnx

    schemas = [s for s in onnx.defs.get_all_schemas() if s.domain == "" and not s.deprecated]
    # Evaluators run these through their definitions; older onnx packages do not report the attribute.
    defined = {
        s.name
        for s in schemas
        if any(getattr(s, kind, False) for kind in ("has_function", "has_context_dependent_function"))
    }
    left = {s.name for s in schemas} - RULES.keys() - set(EXPANDED)
    cpu = sorted(left & (_runtime_operators() | defined | PROVEN.keys() | {"Constant"}))
    yield f"## On CPU nodes\n\nIn onnx {onnx.__version__}: {', '.join(cpu)}.\n"
    yield f"Not supported: {', '.join(sorted(left - set(cpu))) or 'none'}.\n"
    yield "### In the reference evaluator\n"
    yield "Used if ONNX Runtime has no kernel. The numbers are the operator sets that introduced the versions.\n"
    rows = (f"{name} {', '.join(map(str, versions))}" for name, versions in sorted(PROVEN.items()))
    yield f"{'; '.join(rows)}.\n"
    others = sorted(OTHER_DOMAINS)
    yield f"Other domains: {', '.join(f'{domain}.{name} {version}' for domain, name, version in others)}."


def _runtime_operators() -> set[str]:
    """Return the operators of the default domain for which ONNX Runtime has kernels."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return {kernel.op_name for kernel in state.get_all_opkernel_def() if kernel.domain in ("", "ai.onnx")}


def operators_markdown() -> str:
    """Return the page."""
    return "\n".join([_INTRODUCTION, *on_engines(), *on_cpu()]) + "\n"


if __name__ == "__main__":
    print(operators_markdown(), end="")
