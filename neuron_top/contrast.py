"""Text that can be read in every theme: what has too little contrast is made lighter or darker as it is drawn.

The arithmetic is WCAG 2's (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio). Colours mean something on this screen, so
the hue stays; a theme of any background only changes how light it is.
"""

from __future__ import annotations

from functools import lru_cache

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

LEAST = 4.5
"""WCAG 2, level AA, for text."""

_STEPS = 20


def _linear(value: int) -> float:
    share = value / 255
    return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4


@lru_cache(4096)
def _luminance(rgb: tuple[int, int, int]) -> float:
    red, green, blue = (_linear(part) for part in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """The contrast ratio of two colours, 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _mixed(colour: tuple[int, int, int], target: int, share: float) -> tuple[int, int, int]:
    red, green, blue = (round(part + (target - part) * share) for part in colour)
    return red, green, blue


@lru_cache(4096)
def readable(colour: tuple[int, int, int], background: tuple[int, int, int]) -> tuple[int, int, int]:
    """``colour``, as little lighter or darker as it takes to be read on ``background``."""
    if contrast(colour, background) >= LEAST:
        return colour
    for step in range(1, _STEPS + 1):
        for target in (255, 0) if _luminance(background) < 0.18 else (0, 255):
            found = _mixed(colour, target, step / _STEPS)
            if contrast(found, background) >= LEAST:
                return found
    return colour


@lru_cache(4096)
def _readable_style(style: Style, background: Color) -> Style:
    """A style with the colour that shows changed, where that is needed."""
    front, back = style.color, style.bgcolor
    if (front is not None and not _exact(front)) or (back is not None and not _exact(back)):
        # A colour of the terminal's own palette: what it looks like is not known here.
        return style
    under = back.triplet if back is not None and back.triplet is not None else None
    ground = (under.red, under.green, under.blue) if under is not None else background.rgb
    over = front.triplet if front is not None and front.triplet is not None else None
    if over is None:
        return style
    text = over.red, over.green, over.blue
    found = readable(text, ground)
    if style.dim:
        # The terminal would mix it with the background: do that here, as far as it can still be read.
        blended = (*((a + b) // 2 for a, b in zip(found, ground, strict=True)),)
        found = readable((blended[0], blended[1], blended[2]), ground)
    elif found == text:
        return style
    return style + Style(color=RichColor.from_rgb(*found), dim=False)


def _exact(colour: RichColor) -> bool:
    return colour.triplet is not None


class ReadableText(LineFilter):
    """Gives every piece of text at least :data:`LEAST` contrast to what is behind it."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """One line."""
        changed = []
        for segment in segments:
            text, style, control = segment
            if style is not None and not text.isspace():
                made = _readable_style(style, background)
                if made is not style:
                    segment = Segment(text, made, control)
            changed.append(segment)
        return changed


class AsciiText(LineFilter):
    """Replaces the few characters of units that are not ASCII, for terminals without UTF-8."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """One line."""
        return [
            Segment(text.replace("µ", "u"), style, control) if "µ" in text else Segment(text, style, control)
            for text, style, control in segments
        ]
