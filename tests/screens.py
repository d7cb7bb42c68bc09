"""neuron-top without a terminal: generated snapshots, and an application that a test controls."""

import asyncio
import os

from busy_world import make_busy_node
from rich.cells import cell_len
from worlds import BUSY, make_snapshot

from neuron_console.text import printable
from neuron_top.app import NeuronTop
from neuron_top.collector import Frame
from neuron_top.glyphs import UNICODE
from neuron_top.looks import SourceLook
from neuron_top.model.moment import make_moment
from neuron_top.settings import Settings
from runtime_core.telemetry import NodeNotFoundError
from runtime_core.telemetry.owners import pin as prove

RECORDED_SECONDS = 90


class Still:
    """A source whose figures advance by one second per snapshot."""

    name = "test"

    def __init__(self, size="inf1.6xlarge", runtimes=BUSY):
        self._size, self.runtimes, self._looks = size, runtimes, 0
        self.gone = False

    def snapshot(self, *, host=False):
        if self.gone:
            raise NodeNotFoundError("no Neuron node in /x: set one up with 'neuron-sim up'")
        self._looks += 1
        return make_snapshot(self._size, float(self._looks), self.runtimes)

    def pin(self, pid, start_ns):
        # Every process of this source is the process that it shows.
        return prove(pid, lambda: None)

    def close(self):
        pass


class Recorded(Still):
    """A source whose processes do not exist; each has a handle that cannot send signals."""

    def pin(self, pid, start_ns):
        return os.open(os.devnull, os.O_RDONLY)


class Idle:
    """A collector that does nothing; the test passes the frames."""

    def start(self):
        pass

    def stop(self):
        pass


def recorded_moments(size="inf1.24xlarge", seconds=RECORDED_SECONDS, make=make_busy_node, clean=printable):
    """Snapshots of a busy node, one per second."""
    snapshots = [make(float(second), size) for second in range(10, 10 + seconds)]
    return [make_moment(before, after, clean) for before, after in zip([None, *snapshots], snapshots)]


def recorded_app(view="overview", glyphs=UNICODE, **settings):
    """An application that collects nothing by itself."""
    app = NeuronTop(SourceLook(Recorded()), 1.0, Settings(view=view, **settings), glyphs)
    app.node._collector = Idle()
    return app


def feed(app, moments):
    """Pass snapshots to the application, one after the other."""
    for moment in moments:
        app.node.take(Frame(moment))


def lines(app):
    """The screen's text, line by line."""
    return ["".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips()]


def text(app):
    """The screen's text."""
    return "\n".join(lines(app))


def place(app, words):
    """Where some words are on the screen: column, row."""
    for row, line in enumerate(lines(app)):
        if words in line:
            return cell_len(line[: line.index(words)]) + 1, row
    raise AssertionError(f"{words!r} is not on the screen:\n{text(app)}")


async def click(app, pilot, words, times=1):
    """Click on some words, as soon as they are on the screen."""
    await until(pilot, lambda: words in text(app), f"{words!r}")
    await pilot.click(offset=place(app, words), times=times)
    await pilot.pause()


async def until(pilot, condition, what="the condition"):
    """Let the application run until a condition is true."""
    for _ in range(500):
        if condition():
            return
        await pilot.pause(0.02)
    raise AssertionError(f"{what} did not come true:\n{text(pilot.app)}")


def drive(check, size=(80, 24), source=None, app=None, moments=None, read_only=False):
    """Run ``check(app, pilot)`` in an application that shows recorded snapshots, or those of a source."""

    async def inner():
        driven = app or (
            recorded_app()
            if moments
            else NeuronTop(SourceLook(source or Still()), 0.1, glyphs=UNICODE, read_only=read_only)
        )
        async with driven.run_test(size=size, notifications=True) as pilot:
            if moments:
                feed(driven, moments)
                await pilot.pause()
            else:
                session = driven.node.session
                await until(
                    pilot,
                    lambda: (session.moment and session.moment.rates) or session.problem.startswith("no "),
                    "the second look",
                )
            await check(driven, pilot)

    asyncio.run(inner())
