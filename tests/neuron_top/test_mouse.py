"""Everything that a mouse can do."""

import pytest
from screens import click, drive, recorded_moments, text, until
from textual.events import MouseScrollDown, MouseScrollUp


@pytest.fixture(scope="module")
def moments():
    return recorded_moments(seconds=40)


def test_a_click_on_a_view_opens_it(moments):
    async def check(app, pilot):
        await click(app, pilot, "Topology")
        assert "a ring" in text(app)
        await click(app, pilot, "Cores")
        assert "share of time busy" in text(app)

    drive(check, (120, 40), moments=moments)


def test_a_click_on_a_tab_picks_it(moments):
    async def check(app, pilot):
        await click(app, pilot, "7 nightly ")
        assert ">nightly<" in text(app)
        await click(app, pilot, "1 all ")
        assert ">all<" in text(app)

    drive(check, (120, 40), moments=moments)


def test_a_click_on_a_key_does_what_the_key_does(moments):
    async def check(app, pilot):
        await click(app, pilot, "space Pause")
        assert app.node.session.paused
        await click(app, pilot, "f %/FLOPS")
        assert "TFLOPS" in text(app)

    drive(check, (120, 40), moments=moments)


def test_a_click_opens_and_closes_a_branch(moments):
    async def check(app, pilot):
        tree = app.screen.query_one("#tree")
        await click(app, pilot, "▶ ND0")
        assert "▼ ND0" in text(app)
        await click(app, pilot, "▼ ND0")
        assert "▶ ND0" in text(app)
        assert tree.cursor == 0

    drive(check, (120, 40), moments=moments)


def test_the_wheel_scrolls_lists(moments):
    async def check(app, pilot):
        tree = app.screen.query_one("#tree")
        await pilot._post_mouse_events([MouseScrollDown], widget=tree)
        await until(pilot, lambda: tree.scroll_offset.y > 0, "a scrolled tree")

    drive(check, (120, 40), moments=moments)


def test_the_wheel_zooms_charts(moments):
    async def check(app, pilot):
        await pilot.press("h")
        charts = app.screen.query_one("#charts")
        await pilot._post_mouse_events([MouseScrollUp], widget=charts)
        await pilot.pause()
        assert "Last 30 s" in text(app)
        await pilot._post_mouse_events([MouseScrollDown], widget=charts)
        await pilot.pause()
        assert "Last 1 min" in text(app)

    drive(check, (120, 40), moments=moments)


def test_a_click_on_a_title_sorts_and_a_second_one_turns_around(moments):
    async def check(app, pilot):
        await pilot.press("p")
        await click(app, pilot, "TAG")
        assert "TAG▲" in text(app)
        await click(app, pilot, "TAG▲")
        assert "TAG▼" in text(app)

    drive(check, (120, 40), moments=moments)


def test_a_click_picks_a_row_and_a_double_click_opens_it(moments):
    async def check(app, pilot):
        await pilot.press("p")
        await click(app, pilot, "pipeline")
        table = app.screen.query_one("#process-table")
        assert table._lines[table.cursor].cells[1] == "pipeline"
        await click(app, pilot, "4006", times=2)
        assert ">nightly<" in text(app)
        assert "Device memory" in text(app)

    drive(check, (120, 40), moments=moments)


def test_the_row_under_the_cursor_stands_out(moments):
    async def check(app, pilot):
        await pilot.press("p", "down", "down")
        table = app.screen.query_one("#process-table")
        first = next(iter(app.screen._compositor.render_strips()[table.region.y + table.header_rows + table.cursor]))
        assert str(table._lines[table.cursor].cells[1]) in first.text
        assert first.style.reverse

    drive(check, (120, 40), moments=moments)


def test_the_answers_before_a_signal_can_be_clicked(moments):
    async def check(app, pilot):
        await pilot.press("p", "k")
        await click(app, pilot, "send nothing")
        assert app.screen is app.node

    drive(check, (120, 40), moments=moments)
