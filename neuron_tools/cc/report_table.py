"""Format the compilation report as text."""

from __future__ import annotations

from neuron_console.text import columns
from neuron_console.units import format_quantity
from runtime_core.compiler.report import CompileReport
from runtime_core.neff.graph import NodeKind

_MOST_OPERATIONS = 4


def _operations(counts: dict[str, int]) -> str:
    """Return the most frequent kinds of operators, and the number of other kinds."""
    shown = [f"{name} x{count}" for name, count in list(counts.items())[:_MOST_OPERATIONS]]
    left = len(counts) - len(shown)
    return ", ".join([*shown, *([f"{left} more"] if left else [])])


def format_report(report: CompileReport) -> str:
    """Return nodes with their operators and FLOPs, the share on NeuronCores, and the reason for each CPU operator."""
    total = sum(n.flops for n in report.nodes)
    rows = [
        (
            n.name,
            n.kind.value,
            f"core {n.core}" if n.kind is NodeKind.NEURON else "host",
            str(sum(n.operations.values())),
            format_quantity(n.flops, ""),
            f"{n.flops / total:.1%}" if total else "n/a",
            _operations(n.operations),
        )
        for n in report.nodes
    ]
    lines = columns(("NODE", "KIND", "WHERE", "COUNT", "FLOP", "SHARE", "OPERATIONS"), rows)
    ratio = report.neuron_flop_ratio
    lines.append(f"on NeuronCores: {'n/a' if ratio is None else f'{ratio:.2%}'} of {format_quantity(total, 'FLOP')}")
    if report.cpu_operators:
        why = [(o.node, o.name, o.operator, o.reason) for o in report.cpu_operators]
        lines += ["", *columns(("CPU NODE", "NAME", "OPERATOR", "WHY"), why)]
    return "\n".join(lines)
