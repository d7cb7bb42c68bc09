"""Text can be read in every theme that is offered: by arithmetic on what is drawn."""

import asyncio

import pytest
from faulty_world import incident
from hypothesis import given
from hypothesis import strategies as st
from screens import feed, recorded_app
from textual.theme import BUILTIN_THEMES

from neuron_top.contrast import LEAST, contrast, readable

PARTS = st.integers(0, 255)
COLOURS = st.tuples(PARTS, PARTS, PARTS)
THEMES = sorted(name for name in BUILTIN_THEMES if not name.startswith(("ansi", "textual-ansi")))


def test_contrast_is_that_of_wcag():
    assert contrast((255, 255, 255), (0, 0, 0)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)


@given(COLOURS, COLOURS)
def test_any_colour_can_be_made_readable_on_any_background(colour, background):
    assert contrast(readable(colour, background), background) >= LEAST
    if contrast(colour, background) >= LEAST:
        assert readable(colour, background) == colour


def pieces(app):
    """Every piece of text on the screen with the colours that it is drawn in."""
    for strip in app.screen._compositor.render_strips():
        for text, style, _ in strip:
            if style is None or not text.strip() or style.color is None or style.bgcolor is None:
                continue
            front, back = style.color.triplet, style.bgcolor.triplet
            if front is not None and back is not None:
                yield text, tuple(front), tuple(back)


@pytest.fixture(scope="module")
def moments():
    return incident(seconds_before=5, seconds_after=4)


@pytest.mark.parametrize("theme", THEMES)
def test_every_text_of_every_view_has_enough_contrast(theme, moments):
    async def run():
        app = recorded_app(theme=theme)
        async with app.run_test(size=(120, 40)) as pilot:
            feed(app, moments)
            count = 0
            for keys in ("o", "c", "h", "p", "m", "t", "e", "?"):
                await pilot.press("question_mark" if keys == "?" else keys)
                await pilot.pause()
                for text, front, back in pieces(app):
                    count += 1
                    assert contrast(front, back) >= LEAST - 0.01, (theme, keys, text, front, back)
            assert count > 1000

    asyncio.run(run())
