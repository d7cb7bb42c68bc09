"""The findings as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from neuron_console.text import printable
from neuron_tools.gatherinfo.finding import Finding, Verdict, worst
from runtime_core import __version__

_COLOURS = {Verdict.PASS: "\x1b[32m", Verdict.WARN: "\x1b[33m", Verdict.FAIL: "\x1b[31m"}
_PLAIN = "\x1b[0m"


def render_text(findings: Sequence[Finding], *, colour: bool = False) -> str:
    """Return a line per finding, with its remedy below it, and a last line with the counts."""
    width = max(len(finding.check) for finding in findings)
    lines = []
    for finding in findings:
        verdict = finding.verdict.value
        shown = f"{_COLOURS[finding.verdict]}{verdict}{_PLAIN}" if colour else verdict
        lines.append(f"{shown}  {finding.check.ljust(width)}  {printable(finding.found)}")
        if finding.mend:
            lines.append(f"{' ' * (len(verdict) + width + 2)}  -> {printable(finding.mend)}")
    counts = {verdict: sum(finding.verdict is verdict for finding in findings) for verdict in Verdict}
    lines.append(", ".join(f"{count} {verdict.value}" for verdict, count in counts.items()))
    return "\n".join(lines)


def render_json(findings: Sequence[Finding], source: str) -> str:
    """Return one object with the worst verdict and every finding."""
    facts = {
        "status": worst(list(findings)).value,
        "version": __version__,
        "source": source,
        "checks": [
            {"check": f.check, "status": f.verdict.value, "found": f.found, "mend": f.mend or None} for f in findings
        ],
    }
    return json.dumps(facts, indent=2, ensure_ascii=False)
