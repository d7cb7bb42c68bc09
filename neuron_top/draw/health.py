"""The health line: how many problems there are, and what they are."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from neuron_console.palette import FAULT_STYLE, GOOD, WARNING_STYLE
from neuron_top.formatting import shorten
from neuron_top.glyphs import Glyphs
from runtime_core.telemetry import Severity, Verdict, phrase

_STYLES = {Severity.CRITICAL: FAULT_STYLE, Severity.WARNING: WARNING_STYLE, Severity.NOTICE: ""}


def _count(count: int, one: str) -> str:
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


def headline(verdicts: Sequence[Verdict]) -> str:
    """``2 problems``, ``1 note`` or ``no problems``: notes are counted only where there is nothing worse."""
    problems = sum(v.severity >= Severity.WARNING for v in verdicts)
    if problems:
        return _count(problems, "problem")
    return _count(len(verdicts), "note") if verdicts else "no problems"


def health_line(verdicts: Sequence[Verdict], now_ns: int, width: int, glyphs: Glyphs, chosen: int | None) -> Text:
    """The worst first, as many as fit; a click on one goes to it, and ``chosen`` (of ``!``) is drawn in reverse."""
    worst = max((v.severity for v in verdicts), default=None)
    style = GOOD if worst is None else _STYLES[worst]
    text = Text(no_wrap=True)
    text.append(f" {glyphs.mark} ", style or "bold").append(headline(verdicts), style or "bold")
    first = chosen if chosen is not None and chosen < len(verdicts) else 0
    order = [*range(first, len(verdicts)), *range(first)] if verdicts else []
    for place, number in enumerate(order):
        verdict = verdicts[number]
        words = phrase(verdict, now_ns)
        left = len(order) - place
        more = f" +{left}" if left > 1 else ""
        gap = f" {glyphs.dot} " if place else ": "
        room = width - text.cell_len - len(gap) - (len(more) if left > 1 else 0)
        if place and len(words) > room:
            text.append(f" +{left}", "bold")
            break
        text.append(gap)
        start = len(text)
        look = _STYLES[verdict.severity]
        text.append(shorten(words, max(8, room), glyphs.ellipsis), f"{look} reverse" if number == chosen else look)
        text.apply_meta({"@click": f"screen.problem({number})"}, start, len(text))
    if verdicts and text.cell_len + 12 <= width:
        text.append(f"{'! goes there':>{width - text.cell_len - 1}}", "dim")
    text.truncate(width)
    return text
