"""At 3 a.m.: every kind of fault on every view, within three seconds and after it is over."""

import asyncio
import re
from typing import NamedTuple

import pytest
from faulty_world import FaultyNode, incident
from screens import click, drive, feed, recorded_app, text

from neuron_top.draw.overview import core_lines
from neuron_top.model.fleet import answered_row
from runtime_core.driver.faults.table import ErrorClass, FaultKind, Side
from runtime_core.nrt import NrtError

HEALED = "no problems"


class Row(NamedTuple):
    """A fault, and a pattern of what each view shows of it within three seconds; "" where it shows nothing of its own.

    ``after``: seconds until nothing of it is left on the health line; 0 for an event that stays there for long.
    """

    fault: str
    fields: dict
    health: str
    overview: str = ""
    cores: str = ""
    topology: str = ""
    events: str = ""
    history: str = ""
    after: int = 15
    act: object = None


def failing_load(world):
    runtime = world.node._runtimes[0]
    with pytest.raises(NrtError):
        runtime.load(runtime.models[0].neff if hasattr(runtime.models[0], "neff") else _neff(), 0)


def _neff():
    from networks import make_neff

    return make_neff(name="another")


FAILED = "failed [1-9]"
ROWS = (
    Row("core-hang", {"cores": (20,)}, r"1 problem: nc20 hung [23] s \(batch-embed\)", r"ND5 +NC0 \S+ +HUNG",
        r"ND5 +HUNG +batch-embed", r"│ +HUNG +│", r"error +nc20 \(batch-embed\) +nc20 hung +neuroncorehung"),
    Row("mem-ecc-uncorrected", {"devices": (0,), "times": 1}, r"ND0 ECC uncorrected 1 \(thumbs\)", r"●thumbs", "",
        r"ND0 ECC", r"error +ND0 +ECC uncorrected in DRAM +neuroneccuncorrected", "", 0),
    Row("sram-ecc-uncorrected", {"devices": (0,), "times": 1}, r"ND0 ECC uncorrected 1", r"●thumbs", "", r"ND0 ECC",
        r"ECC uncorrected in SRAM", "", 0),
    Row("mem-ecc-corrected", {"devices": (0,), "times": 4}, r"1 note: ND0 ECC corrected 4", "", "", "",
        r"warning ND0 +ECC corrected in DRAM", "", 0),
    Row("sram-ecc-corrected", {"devices": (0,), "times": 4}, r"1 note: ND0 ECC corrected 4", "", "", "",
        r"ECC corrected in SRAM", "", 0),
    Row("slow-core", {"cores": (0, 1, 2, 3), "factor": 4.0}, r"1 note: thumbs slow: [34]\.\dx its usual", "", "", "",
        r"info +thumbs \(1001\) +thumbs slow", "p99 of"),
    Row("dram-bandwidth", {"devices": (10,), "share": 0.1}, r"1 note: speech slow", "", "", "", "speech slow"),
    Row("link-down", {"devices": (7,), "side": Side.EAST}, r"link ND7-ND8 down [23] s \(translate\)",
        r"●translate .* [1-9]\S*/s", "", r"ND7 +═╳═ ND8 +DOWN", r"ND7-ND8 +link ND7-ND8 down +neuronlinkdown", FAILED),
    Row("link-slow", {"devices": (7,), "side": Side.EAST, "factor": 9.0}, r"link ND7-ND8 slow", "", "",
        r"ND7 +═══ ND8 +SLOW", r"link ND7-ND8 slow"),
    Row("nan", {"cores": (0,)}, r"thumbs: \S+ numerical errors/s", r"●thumbs .* [1-9]\S*( k)?/s", "", "",
        r"warning thumbs \(1001\) +executions had numerical errors", FAILED),
    Row("execution-error", {"cores": (0,), "error": ErrorClass.MODEL}, r"thumbs: \S+ model errors/s",
        r"●thumbs .* [1-9]\S*( k)?/s", "", "", r"executions failed \(model\) on nc0-3", FAILED),
    Row("queue-overflow", {"cores": (0,)}, r"thumbs: \S+ transient errors/s", r"●thumbs", "", "",
        r"executions failed to queue", FAILED),
    Row("device-lost", {"devices": (3,)}, r"ND3 lost [123] s", r"ND3 +╳+ LOST", r"ND3 +╳+ LOST", r"│ +LOST +│",
        r"error +ND3 +ND3 lost +neurondevicelost"),
    Row("dram-full", {"devices": (0,), "free_bytes": 0}, r"nc0: 1 model load failed", r"●thumbs", "", "",
        r"nc0: 1 model load failed +neuronloadsfail", "", 0, failing_load),
    Row("load-failure", {"cores": (0,)}, r"nc0: 1 model load failed", r"●thumbs", "", "",
        r"1 model load failed", "", 0, failing_load),
    Row("driver-old", {"version": "1.5"}, r"driver 1\.5 is older than 2\.0", "", "", "", r"driver 1\.5 is older"),
    Row("driver-missing", {}, r"no Neuron driver", "", "", "", r"no Neuron driver +neurondrivermissing"),
)  # fmt: skip


def test_every_kind_of_fault_has_a_row():
    assert {row.fault for row in ROWS} == {str(kind) for kind in FaultKind}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault)
def test_a_fault_shows_on_every_view_within_three_seconds_and_then_no_more(row):
    async def run(world):
        app = recorded_app()
        async with app.run_test(size=(140, 44)) as pilot:
            feed(app, world.step(4))
            await pilot.pause()
            assert HEALED in text(app)
            world.inject(row.fault, **row.fields)
            if row.act is not None:
                row.act(world)
            feed(app, world.step(3))
            for key, pattern in (("o", row.overview), ("c", row.cores), ("h", row.history), ("t", row.topology),
                                 ("p", ""), ("m", ""), ("e", row.events)):  # fmt: skip
                await pilot.press(key)
                shown = text(app)
                assert re.search(row.health, shown), (key, shown)
                assert re.search(pattern, shown), (key, pattern, shown)
            world.clear()
            if not row.after:
                return
            feed(app, world.step(row.after))
            for key in "octh":
                await pilot.press(key)
                shown = text(app)
                assert HEALED in shown, (key, shown.splitlines()[1])
                assert not re.search(r"HUNG|LOST|DOWN|SLOW|ECC", shown), (key, shown)

    with FaultyNode() as world:
        asyncio.run(run(world))


@pytest.mark.parametrize(("fault", "fields", "state"), [
    ("core-hang", {"cores": (20,)}, "nc20 hung"),
    ("link-down", {"devices": (7,), "side": Side.EAST}, "link ND7-ND8 down"),
    ("device-lost", {"devices": (3,)}, "ND3 lost"),
])  # fmt: skip
def test_a_fleet_shows_it_too(fault, fields, state):
    with FaultyNode() as world:
        world.step(2)
        world.inject(fault, **fields)
        row = answered_row("a:8000", world.step(3)[-1], 0.0)
        assert row.state.startswith(state)
        world.clear()
        assert answered_row("a:8000", world.step(15)[-1], 0.0).state == "ok"


@pytest.fixture(scope="module")
def moments():
    return incident(seconds_before=20)


def test_a_start_during_the_incident_shows_it_within_three_seconds():
    async def check(app, pilot):
        assert re.search(r"3 problems: nc20 hung", text(app))

    with FaultyNode() as world:
        world.step(3)
        world.break_three()
        world.step(10)
        before = len(world.moments)
        # A screen that is opened now has seen nothing of what was before.
        fresh = type(world.look)(world.look._source)
        fresh._source, late = world.look._source, []
        for _ in range(4):
            world.node.run(world.node.clock.now_ns() + 10**9)
            late.append(fresh.moment())
        assert len(world.moments) == before
        drive(check, (120, 40), moments=late)


def test_which_link_is_down_takes_one_key(moments):
    async def check(app, pilot):
        assert "link ND7-ND8 down" in text(app)
        await pilot.press("t")
        assert re.search(r"ND7 +═╳═ ND8 +DOWN", text(app))
        assert not re.search(r"ND7 .{0,12}ND8 .{0,30}B/s East", text(app))

    drive(check, (120, 40), moments=moments)


def test_who_hurts_p99_takes_two_keys_and_enter_opens_that_one(moments):
    async def check(app, pilot):
        await pilot.press("p", "L")
        table = app.screen.query_one("#process-table")
        latencies = {p.tag: p.p99_ns for p in app.screen.query_one("#processes")._processes.values()}
        worst = max(latencies, key=latencies.get)
        assert table._lines[table.cursor].cells[1] == worst == "translate"
        await pilot.press("enter")
        assert f">{worst}<" in text(app)
        assert app.node._view_name == "history"

    drive(check, (80, 24), moments=moments)


def test_the_overview_names_the_application_that_suffers_and_a_click_opens_it(moments):
    async def check(app, pilot):
        applications = [line for line in text(app).splitlines() if re.search(r"●\w", line)]
        assert {re.match(r"●([\w-]+)", line).group(1) for line in applications[:2]} == {"translate", "batch-embed"}
        assert re.search(r"●translate +0/s .* 1\d(\.\d)?/s", text(app))
        await click(app, pilot, "●translate")
        assert ">translate<" in text(app)

    drive(check, (120, 40), moments=moments)


def test_exclamation_marks_go_from_problem_to_problem(moments):
    async def check(app, pilot):
        seen = []
        for _ in range(4):
            await pilot.press("exclamation_mark")
            seen.append(app.node._view_name)
        assert seen == ["cores", "topology", "topology", "cores"]
        await click(app, pilot, "link ND7-ND8 down")
        assert app.node._view_name == "topology"

    drive(check, (140, 40), moments=moments)


def test_events_carry_a_badge_until_they_are_opened_and_enter_goes_there(moments):
    async def check(app, pilot):
        assert re.search(r"Events +[1-9]", text(app))
        await pilot.press("e")
        assert not re.search(r"Events +[1-9]", text(app))
        shown = text(app)
        repeats = r"\d\d:\d\d:\d\d-\d\d:\d\d:\d\d +x\d+ error +batch-embed \(1003\) +executions timed out on nc20"
        assert re.search(repeats, shown)
        assert len(re.findall("timed out", shown)) == 1
        await click(app, pilot, "link ND7-ND8 down  ")
        await pilot.press("enter")
        assert app.node._view_name == "topology"

    drive(check, (140, 40), moments=moments)


def test_a_click_on_a_core_opens_its_owner(moments):
    async def check(app, pilot):
        await pilot.press("c")
        await click(app, pilot, "speech")
        assert ">speech<" in text(app)
        assert app.node._view_name == "history"

    drive(check, (140, 44), moments=moments)


def test_what_is_broken_is_on_top_where_not_all_devices_fit(moments):
    async def check(app, pilot):
        assert "HUNG" in text(app)

    drive(check, (80, 24), moments=moments)


def test_a_history_of_all_names_the_worst_runtime(moments):
    async def check(app, pilot):
        await pilot.press("h")
        assert re.search(r"Worst latency +p99 of translate 4\.\d+ ms", text(app))

    drive(check, (140, 44), moments=moments)


def test_faults_are_told_without_colour_too(moments, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")

    async def check(app, pilot):
        for key, words in (("o", "HUNG"), ("c", "HUNG"), ("t", "DOWN")):
            await pilot.press(key)
            assert words in text(app)

    drive(check, (120, 40), app=recorded_app(), moments=moments)


def test_eight_cores_a_device_fit_into_80_columns(moments):
    from neuron_top.model.overview import CoreCell, DeviceRow

    rows = tuple(
        DeviceRow(d, tuple(CoreCell(d * 8 + c, 0.125 * c, 1e12 * c, True, hung=c == 7) for c in range(8)))
        for d in range(16)
    )
    for flops in (False, True):
        names, *lines = core_lines(rows, 80, flops=flops)
        assert all(line.cell_len <= 80 for line in (names, *lines))
        assert names.plain.split() == [f"NC{c}" for c in range(8)]
        assert all(line.plain.split()[-1] == "HUNG" for line in lines)
        assert ("6.00T" if flops else "75.0%") in lines[0].plain
