"""The tabs of the applications."""

from __future__ import annotations

from functools import lru_cache

from rich.text import Text

from neuron_console.palette import CALM
from neuron_top.formatting import shorten
from neuron_top.glyphs import UNICODE, Glyphs

_NUMBERED_TABS = 9


@lru_cache(maxsize=16)
def tab_line(view_tabs: tuple[str, ...], selected: int, width: int, glyphs: Glyphs = UNICODE) -> Text:
    """Tabs by tag; the selected one is ``>tag<``. The line starts late enough to show it; a click picks a tab."""
    names = [shorten(name, 24, glyphs.ellipsis) for name in view_tabs]
    numbers = [str(i + 1) if i < _NUMBERED_TABS else "" for i in range(len(names))]
    cells = [f"{k}>{n}<" if i == selected else f"{k} {n} " for i, (k, n) in enumerate(zip(numbers, names, strict=True))]
    label = "Neuron Apps  " if width > 60 else ""
    first = 0
    while first < selected and len(label) + sum(Text(c).cell_len + 1 for c in cells[first : selected + 1]) > width:
        first += 1
    text = Text(label if first == 0 else f"{glyphs.ellipsis} ")
    for index in range(first, len(cells)):
        if len(text) > width:
            break
        style = "bold reverse" if index == selected else ""
        start = len(text)
        text.append(cells[index][: len(numbers[index])], f"bold {CALM}").append(
            cells[index][len(numbers[index]) :], style
        )
        text.apply_meta({"@click": f"screen.tab({index})"}, start, len(text))
        text.append(" ")
    if text.cell_len > width:
        text.truncate(width - 1)
        text.append(glyphs.ellipsis)
    return text
