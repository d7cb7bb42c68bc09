"""The page ``docs/reference/operators.md``: every operator and where it runs. ``make docs`` writes it."""

from __future__ import annotations

from collections.abc import Iterator

from runtime_core.compiler.expand import EXPANDED
from runtime_core.compiler.importer import MIN_OPSET
from runtime_core.compiler.lower import RULES
from runtime_core.engine.numerics.reference import OTHER_DOMAINS, PROVEN

_INTRODUCTION = f"""\
# Operators

Made from the compiler's tables by `python -m runtime_core.compiler.operators`; a test keeps it true.

The compiler takes operator sets {MIN_OPSET} to the newest that the installed `onnx` package knows as they are, and
converts older ones first. No engine computes in float64. An operator beyond its limits runs on a CPU node;
`neuron-cc compile --report` lists these, with the reasons. The compiler computes operators whose inputs are all
constants; they cost nothing at run time.

ONNX Runtime runs CPU nodes and computes constants: it has every operator set, and the operators of `com.microsoft` and
`ai.onnx.ml`. Where it has no kernel for a version or an element type, the compiler tries, in this order:

1. an older version of the operator that differs in element types alone;
2. wider element types: bfloat16 in FP32, small integers in 32 or 64 bits, rounded or cut off after each operator;
3. the reference evaluator of the `onnx` package, for the versions below, on which `make conformance` finds both equal.

The compiler prepares every CPU node and runs it once. It refuses a model with an operator that nothing runs, by name.
"""
_WORK = {
    "pe": "PE: products and convolutions",
    "act": "ACT: functions of one value, normalisation",
    "pool": "POOL: several values, pooling, reductions",
    "dma": "DMA: moves data",
}


def on_engines() -> Iterator[str]:
    """A table of the operators that the engines run."""
    yield "## On NeuronCores\n"
    for engine, title in _WORK.items():
        yield f"### {title}\n\n| operator | limits |\n|---|---|"
        for name, rule in sorted(RULES.items()):
            if rule.engine.value == engine:
                yield f"| {name} | {rule.limits or 'none'} |"
        yield ""
    yield "### By their definitions\n"
    yield "Replaced by the simpler operators that ONNX defines them by, which are in the tables above:"
    yield f"{', '.join(sorted(EXPANDED))}.\n"


def on_cpu() -> Iterator[str]:
    """The other operators of the default domain: on CPU nodes, or nowhere."""
    import onnx

    schemas = [s for s in onnx.defs.get_all_schemas() if s.domain == "" and not s.deprecated]
    # Evaluators run these by their definitions; older onnx packages do not tell.
    defined = {
        s.name
        for s in schemas
        if any(getattr(s, kind, False) for kind in ("has_function", "has_context_dependent_function"))
    }
    left = {s.name for s in schemas} - RULES.keys() - set(EXPANDED)
    cpu = sorted(left & (_runtime_operators() | defined | PROVEN.keys() | {"Constant"}))
    yield f"## On CPU nodes\n\nIn onnx {onnx.__version__}: {', '.join(cpu)}.\n"
    yield f"Nothing runs these: {', '.join(sorted(left - set(cpu))) or 'none'}.\n"
    yield "### By the reference evaluator\n"
    yield "Where ONNX Runtime has no kernel. The numbers are the operator sets that introduced the versions.\n"
    rows = (f"{name} {', '.join(map(str, versions))}" for name, versions in sorted(PROVEN.items()))
    yield f"{'; '.join(rows)}.\n"
    others = sorted(OTHER_DOMAINS)
    yield f"Of other domains: {', '.join(f'{domain}.{name} {version}' for domain, name, version in others)}."


def _runtime_operators() -> set[str]:
    """Operators of the default domain that ONNX Runtime has kernels for."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return {kernel.op_name for kernel in state.get_all_opkernel_def() if kernel.domain in ("", "ai.onnx")}


def operators_markdown() -> str:
    """The whole page."""
    return "\n".join([_INTRODUCTION, *on_engines(), *on_cpu()]) + "\n"


if __name__ == "__main__":
    print(operators_markdown(), end="")
