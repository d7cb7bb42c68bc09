"""The first line: what is watched, and the views to choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from rich.text import Text

from neuron_console.palette import FAULT_STYLE
from neuron_top.views.catalogue import ViewEntry


def _menu(entries: Sequence[ViewEntry], current: str, badges: Mapping[str, str], *, full: bool) -> Text:
    text = Text()
    for entry in entries:
        chosen = entry.name == current
        label = f" {entry.title} " if full or chosen else f"{entry.key} "
        start = len(text)
        text.append(label, "bold reverse" if chosen else "")
        if badges.get(entry.name):
            text.append(f"{badges[entry.name]} ", FAULT_STYLE)
        if full and not chosen:
            text.stylize("underline", start + 1, start + 2)
        text.apply_meta({"@click": f"screen.view('{entry.name}')"}, start, len(text))
        if chosen:
            text.append(" ")
    return text


def title_line(
    title: str, entries: Sequence[ViewEntry], current: str, width: int, badges: Mapping[str, str] = MappingProxyType({})
) -> Text:
    """The title at the left, the views at the right: by name, or by key where there is no room for names.

    ``badges``: view -> what stands behind its name.
    """
    for full in (True, False):
        menu = _menu(entries, current, badges, full=full)
        room = width - menu.cell_len - 1
        if room >= len(title):
            break
    text = Text(title, no_wrap=True)
    text.truncate(max(0, room), pad=True)
    text.append(" ").append_text(menu)
    text.truncate(width)
    return text
