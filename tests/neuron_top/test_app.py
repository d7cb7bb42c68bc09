"""The screen on a source that moves: what it shows, and that it follows."""

import asyncio

import pytest
from screens import Still, drive, feed, lines, recorded_app, recorded_moments
from worlds import BUSY

from neuron_top.widgets.memory_tree import MemoryTree


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (250, 70)])
def test_all_sections_are_there_at_every_size(size):
    async def check(app, pilot):
        text = "\n".join(lines(app))
        for part in ("NeuronCore v1 Utilization", "VCPU Utilization", "Memory Usage Summary", "Memory Usage Details",
                     "i-0123456789abcdef0", "ND0", "NC3", "50.00%", ">all<", "web", "Runtime vCPU Usage"):  # fmt: skip
            assert part in text

    drive(check, size)


def test_f_switches_to_flops_and_back():
    async def check(app, pilot):
        await pilot.press("f")
        assert any("NeuronCore v1 FLOPS" in line for line in lines(app))
        assert any(line.count("4.00 T") == 2 for line in lines(app))
        await pilot.press("f")
        assert any("50.00%" in line for line in lines(app))

    drive(check)


def test_tabs_by_number_and_by_a_and_d():
    async def check(app, pilot):
        await pilot.press("2")
        assert any(">web<" in line for line in lines(app))
        await pilot.press("d")
        assert any(">batch<" in line for line in lines(app))
        await pilot.press("d")
        assert any(">all<" in line for line in lines(app))
        await pilot.press("a")
        assert any(">batch<" in line for line in lines(app))
        await pilot.press("9")
        assert any(">batch<" in line for line in lines(app))

    drive(check)


def test_x_opens_and_closes_the_whole_tree_and_arrows_move_in_it():
    async def check(app, pilot):
        tree = app.screen.query_one("#tree", MemoryTree)
        closed = len(tree.keys)
        await pilot.press("x")
        assert len(tree.keys) > closed
        await pilot.press("x")
        assert len(tree.keys) == closed
        await pilot.press("down")
        assert tree.cursor_key == tree.keys[1]
        await pilot.press("right")
        assert len(tree.keys) > closed
        await pilot.press("left")
        assert len(tree.keys) == closed
        await pilot.press("up")
        assert tree.cursor_key == tree.keys[0]

    drive(check, (120, 40))


def test_space_holds_the_screen_still():
    async def check(app, pilot):
        await pilot.press("space")
        held = app.node.session.moment
        await pilot.pause(0.3)
        assert app.node.session.moment is held
        assert any("PAUSED" in line for line in lines(app))
        await pilot.press("space")
        for _ in range(100):
            await pilot.pause(0.02)
            if app.node.session.moment is not held:
                return
        raise AssertionError("it did not go on")

    drive(check)


def test_q_ends_it():
    async def check(app, pilot):
        await pilot.press("q")
        await pilot.pause()
        assert not app.is_running or app._exit

    drive(check)


def test_no_node_is_said_and_its_return_is_seen():
    source = Still()
    source.gone = True

    async def check(app, pilot):
        assert any("neuron-sim up" in line for line in lines(app))
        source.gone = False
        for _ in range(100):
            await pilot.pause(0.02)
            if any("ND0" in line for line in lines(app)):
                return
        raise AssertionError("the node's return was not seen")

    drive(check, source=source)


def test_a_small_terminal_is_said():
    async def check(app, pilot):
        assert any("too small" in line for line in lines(app))

    drive(check, (40, 10))


def test_a_runtime_that_ends_gives_its_tab_back_to_all():
    source = Still()

    async def check(app, pilot):
        await pilot.press("3")
        assert any(">batch<" in line for line in lines(app))
        source.runtimes = BUSY[:1]
        for _ in range(100):
            await pilot.pause(0.02)
            if any(">all<" in line for line in lines(app)):
                return
        raise AssertionError("the tab of an ended runtime stayed")

    drive(check, source=source)


def test_another_theme_changes_every_cell():
    """Lines that are kept must not keep the colours of the theme before."""
    pictures = []

    def screen(app):
        return [list(strip) for strip in app.screen._compositor.render_strips()]

    async def look(app, theme):
        async with app.run_test(size=(120, 40)) as pilot:
            feed(app, recorded_moments(seconds=5))
            await pilot.pause()
            app.theme = theme
            await pilot.pause()
            pictures.append(screen(app))

    asyncio.run(look(recorded_app(), "textual-light"))
    asyncio.run(look(recorded_app(theme="textual-light"), "textual-light"))
    asyncio.run(look(recorded_app(), "textual-dark"))
    assert pictures[0] == pictures[1] != pictures[2]
