"""Format grades as a table, as JSON and as JUnit XML."""

from __future__ import annotations

import json
from collections.abc import Sequence
from xml.etree import ElementTree

from neuron_console.text import printable
from neuron_tools.check_agent.grade import Grade

_LOST = {True: "yes", False: "no", None: "n/a"}


def _row(grade: Grade) -> tuple[str, ...]:
    seen = grade.observation
    status = "-" if seen.exit_status is None else str(seen.exit_status)
    memory = f"{seen.peak_bytes / (1 << 20):.0f}"
    what = "; ".join(grade.problems) or "ok"
    return grade.case, grade.form, what, status, f"{seen.seconds:.1f}", memory, _LOST[grade.lost]


_HEADINGS = ("CASE", "FORM", "RESULT", "EXIT", "SECONDS", "MIB", "LOST")


def render_table(grades: Sequence[Grade]) -> str:
    """Return one line per case, and the stderr output of agents that failed."""
    rows = [_HEADINGS, *(_row(grade) for grade in grades)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    failed = [grade for grade in grades if not grade.passed]
    lines.append("")
    lines.append(f"{len(grades) - len(failed)} of {len(grades)} cases passed")
    details: dict[str, list[str]] = {}
    for one in failed:
        if one.detail:
            details.setdefault(printable(one.detail), []).append(f"{one.case} ({one.form})")
    for detail, where in details.items():
        more = f" and {len(where) - 1} more" if len(where) > 1 else ""
        lines.append(f"{where[0]}{more}: {detail}")
    return "\n".join(lines)


def render_json(command: Sequence[str], grades: Sequence[Grade]) -> str:
    """Return all grades as one object."""
    cases = [
        {
            "case": grade.case,
            "form": grade.form,
            "passed": grade.passed,
            "problems": list(grade.problems),
            "lost": grade.lost,
            "exit_status": grade.observation.exit_status,
            "seconds": round(grade.observation.seconds, 3),
            "peak_memory_bytes": grade.observation.peak_bytes,
            "stderr": grade.detail,
        }
        for grade in grades
    ]
    return json.dumps({"command": list(command), "passed": all(g.passed for g in grades), "cases": cases}, indent=2)


def render_junit(command: Sequence[str], grades: Sequence[Grade]) -> bytes:
    """Return a JUnit report: a suite named after the command, with a test per case."""
    failed = sum(not grade.passed for grade in grades)
    seconds = sum(grade.observation.seconds for grade in grades)
    suite = ElementTree.Element(
        "testsuite",
        name=printable(f"check-agent {' '.join(command)}"),
        tests=str(len(grades)),
        failures=str(failed),
        time=f"{seconds:.3f}",
    )
    for grade in grades:
        case = ElementTree.SubElement(
            suite, "testcase", classname=grade.form, name=grade.case, time=f"{grade.observation.seconds:.3f}"
        )
        if not grade.passed:
            failure = ElementTree.SubElement(case, "failure", message="; ".join(grade.problems))
            failure.text = printable(grade.detail)
    text: str = ElementTree.tostring(suite, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()
