"""A scenario's result as text, JSON and JUnit XML. Equal results give equal bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree

from neuron_console.text import columns
from neuron_console.units import rounded
from neuron_tools.scenario.expectations import Verdict
from neuron_tools.scenario.promql.rules import Firing
from neuron_tools.scenario.run import Result

TARGET_LABELS = frozenset(
    {
        "job",
        "instance",
        "instance_name",
        "instance_id",
        "instance_type",
        "availability_zone",
        "region",
        "subnet_id",
    }
)
"""Labels that all series of a node share."""


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes):3d}:{rest:04.1f}"


def _seconds(value: float | None) -> str:
    return "N/A" if value is None else f"{value * 1e3:.3f} ms"


def _count(value: int | None) -> str:
    return "N/A" if value is None else str(value)


def _where(firing: Firing) -> str:
    labels = [f"{name}={value}" for name, value in firing.labels if name not in TARGET_LABELS]
    return f" ({', '.join(labels)})" if labels else ""


def as_text(result: Result) -> str:
    """Return a short timeline and a table of verdicts."""
    lines = [f"{result.scenario}: {result.seconds:g} s"]
    lines += [f"  {_clock(at)}  {text}" for at, text in _timeline(result)]
    lines.append("")
    for one in result.applications:
        lines.append(
            f"  {one.tag}: {_count(one.completed)} completed, {_count(one.failed)} failed, "
            f"p50 {_seconds(one.p50_seconds)}, p99 {_seconds(one.p99_seconds)} (runtime's histogram, whole run)"
        )
    lines.append("")
    rows = [("met" if v.met else "NOT MET", v.expectation, v.found) for v in result.verdicts]
    lines += [f"  {line}" for line in columns(("VERDICT", "EXPECTATION", "FOUND"), rows)]
    return "\n".join(lines)


def _timeline(result: Result) -> list[tuple[float, str]]:
    """Actions, and alerts that fired and ended, in order."""
    entries = [(at, 0, text) for at, text in result.happened]
    for firing in result.fired:
        entries.append((firing.since_seconds, 1, f"ALERT {firing.name}{_where(firing)}"))
        if firing.until_seconds is not None:
            entries.append((firing.until_seconds, 1, f"alert {firing.name}{_where(firing)} ended"))
    return [(at, text) for at, _, text in sorted(entries, key=lambda e: e[:2])]


def as_facts(result: Result) -> dict[str, object]:
    """Return the result as facts for programs."""
    return {
        "scenario": result.scenario,
        "seconds": result.seconds,
        "met": result.met,
        "timeline": [{"seconds": at, "text": text} for at, text in _timeline(result)],
        "applications": [one._asdict() for one in result.applications],
        "verdicts": [verdict._asdict() for verdict in result.verdicts],
    }


def as_json(results: Sequence[Result]) -> str:
    """Return a JSON array with one object per scenario."""
    return json.dumps(rounded([as_facts(result) for result in results]), indent=2)


class Suite(NamedTuple):
    """A JUnit suite: a run, its length in its own time, its verdicts, and a text for expectations that were not met."""

    name: str
    seconds: float
    verdicts: Sequence[Verdict]
    text: str


def as_junit(results: Sequence[Result]) -> bytes:
    """Return JUnit XML: a suite per scenario, a case per expectation. Times are those of the scenario."""
    return junit_of([Suite(r.scenario, r.seconds, r.verdicts, as_text(r)) for r in results])


def junit_of(suites: Sequence[Suite]) -> bytes:
    """Return JUnit XML: a case per expectation."""
    root = ElementTree.Element(
        "testsuites",
        tests=str(sum(len(suite.verdicts) for suite in suites)),
        failures=str(sum(not v.met for suite in suites for v in suite.verdicts)),
    )
    for suite in suites:
        element = ElementTree.SubElement(
            root,
            "testsuite",
            name=suite.name,
            tests=str(len(suite.verdicts)),
            failures=str(sum(not v.met for v in suite.verdicts)),
            errors="0",
            time=f"{suite.seconds:.3f}",
        )
        for verdict in suite.verdicts:
            case = ElementTree.SubElement(element, "testcase", classname=suite.name, name=verdict.expectation)
            if not verdict.met:
                ElementTree.SubElement(case, "failure", message=verdict.found).text = suite.text
    ElementTree.indent(root)
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"
