"""neuron-top --replay: a recording on the screen, and keys that go through it."""

import asyncio
import subprocess
import sys

import pytest
from screens import lines
from worlds import BUSY, make_snapshot

from neuron_top import start
from neuron_top.replay import ReplayLook, ReplayTop
from neuron_top.settings import Settings
from runtime_core.telemetry.recording import RecordingWriter


@pytest.fixture
def path(tmp_path):
    """Ten minutes; the second application comes after five."""
    target = tmp_path / "ten.nrec"
    out = RecordingWriter(target, source="sim:test", interval_seconds=1.0)
    for number in range(600):
        out.add(make_snapshot(seconds=1.0 + number, runtimes=BUSY if number >= 300 else BUSY[:1]))
    out.close()
    return target


def drive(path, check, size=(140, 40), view="overview"):
    async def run():
        app = ReplayTop(ReplayLook(path), 0.05, Settings(view=view))
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: any(">all<" in line for line in lines(app)))
            await check(app, pilot)

    asyncio.run(run())


async def until(pilot, condition, seconds=20.0):
    for _ in range(int(seconds / 0.05)):
        if condition():
            return
        await pilot.pause(0.05)
    raise AssertionError("it did not come true")


def test_the_first_look_knows_its_rates(path):
    look = ReplayLook(path)
    look.seek(100)
    moment = look.moment()
    assert moment.rates is not None
    assert moment.rates.core_utilization()[0] == pytest.approx(0.5)
    look.close()


def test_keys_go_to_any_moment_and_stop_at_the_ends(path):
    async def check(app, pilot):
        def shows(part):
            return any(part in line for line in lines(app))

        assert not shows("batch")
        await pilot.press("greater_than_sign", *["greater_than_sign"] * 4)
        await pilot.press("full_stop")
        await until(pilot, lambda: shows("batch"))
        assert shows(" of 9 min 59 s")
        await pilot.press("left_parenthesis")
        await until(pilot, lambda: not shows("batch"))
        await pilot.press("right_parenthesis")
        await until(pilot, lambda: shows("batch"))

    drive(path, check)


def test_a_paused_screen_goes_on_where_it_is_sent(path):
    async def check(app, pilot):
        await pilot.press("space")
        await pilot.press("right_parenthesis", "less_than_sign")
        await until(pilot, lambda: any("batch" in line for line in lines(app)))

    drive(path, check)


def scrub(app):
    """The scrub bar as text, and its row."""
    row = app.screen.query_one("#scrub").region.y
    return lines(app)[row], row


def test_the_last_frame_stays_at_the_end(path):
    async def check(app, pilot):
        await pilot.press("right_parenthesis")
        await until(pilot, lambda: any("9 min 59 s of 9 min 59 s (end)" in line for line in lines(app)))
        at_end = app.node.session.moment
        # Beyond the grace in which a source waits for one more snapshot.
        for _ in range(50):
            await pilot.pause(0.05)
        assert app.node.session.moment is at_end
        assert any("batch" in line for line in lines(app))
        await pilot.press("left_parenthesis")
        await until(pilot, lambda: not any("batch" in line for line in lines(app)))

    drive(path, check)


def test_n_goes_to_the_next_event_and_back(path):
    async def check(app, pilot):
        await until(pilot, lambda: app.node._replay.scan.done)
        starts = [e.wall_time_ns for e in app.node._replay.scan.events if e.where.startswith("batch")]
        assert len(set(starts)) == 1
        await pilot.press("n")
        await until(pilot, lambda: any("batch" in line for line in lines(app)))
        assert abs(app.node.session.moment.snapshot.wall_time_ns - starts[0]) < 10 * 10**9
        await pilot.press("right_parenthesis", "N", "e")
        # What happened before is listed, too.
        await until(pilot, lambda: any("runtime started on NeuronCores" in line for line in lines(app)))

    drive(path, check)


def test_a_click_on_the_bar_goes_to_its_moment(path):
    async def check(app, pilot):
        await until(pilot, lambda: "x" in scrub(app)[0])
        bar, row = scrub(app)
        assert 60 < bar.index("x") < 80  # After five of ten minutes.
        await pilot.click(offset=(bar.index("x"), row))
        await until(pilot, lambda: any("batch" in line for line in lines(app)))
        await pilot.click(offset=(2, row))
        await until(pilot, lambda: not any("batch" in line for line in lines(app)))

    drive(path, check)


def test_one_frame_and_wrong_wishes(path, command):
    done = command("neuron_top", "--replay", path, "--once", "--interval", "1")
    assert done.returncode == 0, done.stderr
    assert "web" in done.stdout
    done = command("neuron_top", "--replay", path, "--source", "sim")
    assert (done.returncode, done.stdout) == (2, "")
    done = command("neuron_top", "--replay", path.parent / "none", "--once")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)


def test_a_narrow_terminal_shows_the_whole_recorded_time(path):
    async def check(app, pilot):
        await pilot.press("right_parenthesis")
        await until(pilot, lambda: ", 9 min 59 s of 9 min 59 s (end) " in lines(app)[0])

    drive(path, check, size=(80, 24))


def test_cores_of_all_devices_are_drawn_beside_the_scrub_bar(tmp_path):
    path = tmp_path / "large.nrec"
    out = RecordingWriter(path, source="sim:test", interval_seconds=1.0)
    for number in range(3):
        out.add(make_snapshot("inf1.24xlarge", 1.0 + number, BUSY))
    out.close()

    async def check(app, pilot):
        await until(pilot, lambda: any(line.startswith("ND15") for line in lines(app)))

    drive(path, check, size=(120, 40), view="cores")


TWO_READERS = """
import os, sys, threading
from pathlib import Path
from runtime_core.telemetry.recording import Recording

sys.setswitchinterval(1e-6)
for _ in range(10):
    child = os.fork()
    if child == 0:
        recordings = [Recording(Path(sys.argv[1])) for _ in range(4)]
        barrier = threading.Barrier(4)
        readers = [threading.Thread(target=lambda r=r: (barrier.wait(), r.snapshot(1))) for r in recordings]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        os._exit(0)
    print(os.waitpid(child, 0)[1])
"""


def test_the_player_and_the_search_for_events_read_at_the_same_time(path):
    done = subprocess.run([sys.executable, "-c", TWO_READERS, path], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("0\n" * 10, "")


def test_a_recording_as_source_is_replayed_with_all_keys(path, monkeypatch):
    shown = []
    monkeypatch.setattr(start, "_recording", lambda wish, path, glyphs: shown.append(path))
    plain = start.Wish(None, False, None, None, False, (), (), None)
    start.start(plain._replace(source=f"replay:{path}"))
    monkeypatch.setenv("NEURON_SOURCE", f"replay:{path}")
    start.start(plain)
    start.start(plain._replace(replay=path.parent / "other.nrec"))
    assert shown == [path, path, path.parent / "other.nrec"]


def test_without_a_terminal_it_says_what_to_use(path, command):
    for arguments in ((), ("--replay", path), ("--remote", "127.0.0.1:1")):
        done = command("neuron_top", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert (
            done.stderr == "neuron-top: the screen needs a terminal as standard input: use --once to print one frame\n"
        )
