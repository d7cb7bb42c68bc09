"""The scrub bar of a recording: how far it has played, and where something happened."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

from neuron_console.palette import CALM, FAULT_STYLE, WARNING_STYLE
from neuron_top.glyphs import Glyphs
from neuron_top.model.events import Event, Severity

_RANKS = (Severity.INFO, Severity.WARNING, Severity.ERROR)
_MARKS = {
    Severity.INFO: ("'", ""),
    Severity.WARNING: ("!", WARNING_STYLE),
    Severity.ERROR: ("x", FAULT_STYLE),
}


def scrub_line(events: Iterable[Event], first_ns: int, last_ns: int, now_ns: int, width: int, glyphs: Glyphs) -> Text:
    """One line, of which every cell is a moment to click on.

    Args:
        events: in the order of their time; the worst one of a cell is its mark: ``'`` is information, ``!`` a warning,
            ``x`` an error.
        first_ns: Unix time of the first snapshot.
        last_ns: of the last one.
        now_ns: of the one that is shown.
        width: in cells.
        glyphs: characters that the terminal can show.
    """
    span_ns = max(1, last_ns - first_ns)
    cells = max(1, width - 2)

    def cell(time_ns: int) -> int:
        return max(0, min(cells - 1, (time_ns - first_ns) * (cells - 1) // span_ns))

    worst: dict[int, Severity] = {}
    began_ns: dict[int, int] = {}
    for event in events:
        at = cell(event.wall_time_ns)
        worst[at] = max(worst.get(at, Severity.INFO), event.severity, key=_RANKS.index)
        began_ns.setdefault(at, event.wall_time_ns)
    here = cell(now_ns)
    text = Text(" ", no_wrap=True)
    for number in range(cells):
        start = len(text)
        mark, style = _MARKS[worst[number]] if number in worst else (glyphs.rule, CALM if number < here else "dim")
        text.append(glyphs.mark if number == here and number not in worst else mark,
                    f"{style} reverse bold" if number == here else style)  # fmt: skip
        # A click on a mark goes to the event, not to the moment that the cell begins with.
        moment_ns = began_ns.get(number, first_ns + span_ns * number // max(1, cells - 1))
        text.apply_meta({"@click": f"screen.go_to({moment_ns})"}, start, len(text))
    return text
