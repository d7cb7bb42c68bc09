"""The characters that the screen draws with: block characters, or ASCII where the terminal has no UTF-8."""

from __future__ import annotations

import locale
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

from neuron_console.text import ascii_only, printable


class Glyphs(NamedTuple):
    """One set of characters.

    Attributes:
        eighths: a cell filled from the left, empty to full.
        levels: a cell filled from the bottom, empty to full.
        shades: a cell of a heat map without colour, idle to busy.
        mark, cross, broken: before the health line, for what is lost, and a link that is down.
        box: left top, right top, left bottom, right bottom corner, horizontal, vertical line.
    """

    eighths: str
    levels: str
    shades: str
    box: str
    link: str
    rule: str
    opened: str
    closed: str
    ellipsis: str
    dot: str
    rising: str
    falling: str
    cursor: str
    empty: str
    mark: str
    cross: str
    broken: str


UNICODE = Glyphs(
    " ▏▎▍▌▋▊▉█", " ▁▂▃▄▅▆▇█", " ░▒▓█", "╭╮╰╯─│", "═", "─", "▼", "▶", "…", "·", "▲", "▼", "›", " ", "●", "╳", "═╳═",
)  # fmt: skip
ASCII = Glyphs(
    " ########", " .:-=+*#@", " .:*#", "++++-|", "=", "-", "v", ">", "~", ".", "^", "v", ">", ".", "*", "X", "-X-",
)  # fmt: skip


def cleaner(glyphs: Glyphs) -> Callable[[str], str]:
    """What makes outside text fit for a terminal that is drawn on with ``glyphs``."""
    return ascii_only if glyphs is ASCII else printable


def terminal_glyphs() -> Glyphs:
    """Return the characters that the terminal can show according to the locale."""
    if os.environ.get("LC_ALL") in ("C", "POSIX"):
        # Python itself speaks UTF-8 there, but who asks for it by name wants plain characters.
        return ASCII
    encoding = sys.stdout.encoding or locale.getpreferredencoding(False)
    return UNICODE if "utf" in encoding.lower() else ASCII
