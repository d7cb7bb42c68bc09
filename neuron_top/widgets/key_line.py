"""The line of keys at the bottom; a click does what the key does."""

from __future__ import annotations

from functools import lru_cache

from rich.text import Text
from textual.binding import Binding

from neuron_top.screens.help import key_name


@lru_cache(maxsize=16)
def key_line(bindings: tuple[Binding, ...], width: int, badge: str = "") -> Text:
    """As many keys as fit, each whole; ``badge`` stands out before them. Made once while it stays the same."""
    text = Text(no_wrap=True)
    if badge:
        text.append(f" {badge} ", "bold reverse")
    for binding in bindings:
        name = key_name(binding).partition(" or ")[0]
        piece = Text(f" {name} ", "bold #56B4E9").append(f"{binding.description} ", "not bold default")
        if text.cell_len + piece.cell_len > width:
            break
        key = binding.key.partition(",")[0]
        piece.apply_meta({"@click": f"app.simulate_key('{key}')"}, 1, len(piece) - 1)
        text.append_text(piece)
    return text
