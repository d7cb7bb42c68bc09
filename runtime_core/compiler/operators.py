"""The page ``docs/reference/operators.md``: every operator and where it runs. ``make docs`` writes it."""

from __future__ import annotations

from collections.abc import Iterator

from runtime_core.compiler.expand import EXPANDED
from runtime_core.compiler.importer import MIN_OPSET
from runtime_core.compiler.lower import RULES

_INTRODUCTION = f"""\
# Operators

Made from the compiler's tables by `python -m runtime_core.compiler.operators`; a test keeps it true.

Operator sets {MIN_OPSET} to the newest that the installed `onnx` package knows are taken as they are; older ones are
converted first. No engine computes in float64. An operator beyond its limits runs on a CPU node, by the `onnx`
package's reference evaluator, or by onnxruntime where that is installed and much faster with the same results;
`neuron-cc compile --report` tells which do, and why. Operators of which every input is known when compiling are
computed then and cost nothing.
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
    from onnx.reference.ops import _op_list

    schemas = [s for s in onnx.defs.get_all_schemas() if s.domain == "" and not s.deprecated]
    evaluated = {name.split("_")[0] for name in vars(_op_list) if name[0].isupper()}
    # The evaluator runs these by their definitions; older onnx packages do not tell.
    for kind in ("has_function", "has_context_dependent_function"):
        evaluated |= {s.name for s in schemas if getattr(s, kind, False)}
    left = {s.name for s in schemas} - RULES.keys() - set(EXPANDED)
    cpu = sorted(left & evaluated)
    yield f"## On CPU nodes\n\nIn onnx {onnx.__version__}: {', '.join(cpu)}.\n"
    yield f"Nothing runs these, and a model with one is refused: {', '.join(sorted(left - set(cpu))) or 'none'}."


def operators_markdown() -> str:
    """The whole page."""
    return "\n".join([_INTRODUCTION, *on_engines(), *on_cpu()]) + "\n"


if __name__ == "__main__":
    print(operators_markdown(), end="")
