"""Many nodes: asked side by side, shown in a table and as a heat map."""

import asyncio
import json
import threading

import pytest
from screens import recorded_moments, text, until
from worlds import make_runtime, make_snapshot

from neuron_top.app import FleetTop
from neuron_top.glyphs import ASCII, UNICODE
from neuron_top.model.fleet import NodeRow, answered_row, silent_row, totals
from neuron_top.model.moment import make_moment
from neuron_top.remote.endpoint import Endpoint
from neuron_top.remote.fleet import MAX_THREADS, Fleet
from neuron_top.remote.once import Form, print_fleet
from neuron_top.remote.prometheus import Point
from neuron_top.screens.node import NodeScreen
from neuron_top.settings import Settings
from runtime_core.telemetry import NodeError


class FakeLook:
    """A node that answers, or does not, as its number tells."""

    local = False

    def __init__(self, number, silent=()):
        self.number, self.silent, self.asked = number, silent, 0
        self.name = f"node-{number:03d}:8000"

    def moment(self):
        self.asked += 1
        if self.number in self.silent:
            raise NodeError(f"cannot reach {self.name}: Connection refused")
        busy = make_runtime(float(self.asked + 1), 100 + self.number, (0, 1), "web", utilization=self.number % 10 / 10)
        before = busy._replace(
            time_ns=int(self.asked * 1e9), cores={c: u._replace(busy_ns=0) for c, u in busy.cores.items()}
        )
        looks = [
            make_snapshot("inf1.xlarge", s, [r]) for s, r in ((float(self.asked), before), (self.asked + 1.0, busy))
        ]
        looks = [s._replace(instance=s.instance._replace(instance_id=f"i-{self.number:017x}")) for s in looks]
        return make_moment(*looks)

    def close(self):
        pass


def make_fleet(count=12, silent=(), interval_seconds=0.2):
    endpoints = [Endpoint(f"node-{n:03d}", 8000) for n in range(count)]
    return Fleet(endpoints, interval_seconds, make_look=lambda e: FakeLook(endpoints.index(e), silent))


def drive_fleet(check, fleet=None, size=(120, 30), settings=None, glyphs=UNICODE, prometheus=None):
    async def inner():
        app = FleetTop(fleet or make_fleet(), settings or Settings(), glyphs, prometheus=prometheus)
        async with app.run_test(size=size, notifications=True) as pilot:
            await until(pilot, lambda: "not asked yet" not in text(app), "an answer of every node")
            await check(app, pilot)
        return app

    return asyncio.run(inner())


def nodes(app):
    """The nodes on show, top down."""
    return [row.endpoint for row in app.table._shown]


def test_every_node_is_asked_and_those_that_do_not_answer_are_told_with_their_age():
    async def check(app, pilot):
        await until(pilot, lambda: "10 of 12 nodes answer, 2 not" in text(app), "the totals")
        await pilot.press("home")
        assert nodes(app)[:2] == ["node-003:8000", "node-007:8000"], "what does not answer comes first"
        assert "cannot reach node-003:8000: Connection refused (last answer: never)" in text(app)

    drive_fleet(check, make_fleet(silent=(3, 7)), (200, 30))


def test_the_cursor_is_on_the_worst_node_until_somebody_moves_it():
    async def check(app, pilot):
        await until(pilot, lambda: nodes(app)[0] == "node-007:8000", "the order")
        assert app.table._table.cursor_key == "node-007:8000"
        await pilot.press("down")
        assert app.table._table.cursor_key == nodes(app)[1]

    drive_fleet(check, make_fleet(silent=(7,)))


def test_the_cores_of_a_large_group_are_written_out():
    fleet = make_fleet(300)
    fleet.start = lambda: None
    fleet._rows = [answered_row(look.name, look.moment(), 0.0) for look in map(FakeLook, range(300))]

    async def check(app, pilot):
        app.table.refresh_rows()
        await until(pilot, lambda: "300 nodes" in text(app), "the group")
        assert " 600/1200 " in next(line for line in text(app).splitlines() if line.startswith("inf1.xlarge"))

    drive_fleet(check, fleet, (120, 30), Settings(fleet_group="type"))


def test_a_node_that_falls_silent_keeps_its_name_and_loses_its_figures():
    moment = recorded_moments(seconds=3)[-1]
    row = answered_row("a:1", moment, 100.0)
    gone = silent_row("a:1", "cannot reach a:1", row)
    assert row.utilization is not None
    assert (gone.instance_type, gone.answered_at) == ("inf1.24xlarge", 100.0)
    assert (gone.utilization, gone.executions_per_second, gone.owned) == (None, None, None)
    assert gone.cores == (None,) * 64


def test_totals_leave_out_what_is_not_known():
    rows = (NodeRow("a:1", "", 1.0, cores=(0.5, 0.0), owned=1), NodeRow("b:1", "gone", 1.0, cores=(None, None)))
    found = totals(rows)
    assert (found.answering, found.cores, found.owned) == (1, 2, 1)
    assert (found.utilization, found.executions_per_second) == (0.25, None)
    assert totals(()).utilization is None


def test_nodes_are_asked_side_by_side_but_never_by_too_many_threads(wait):
    at_once, most, lock, release = 0, 0, threading.Lock(), threading.Event()

    class Slow(FakeLook):
        def moment(self):
            nonlocal at_once, most
            with lock:
                at_once += 1
                most = max(most, at_once)
            release.wait(30)
            with lock:
                at_once -= 1
            return super().moment()

    endpoints = [Endpoint(f"node-{n:03d}", 8000) for n in range(3 * MAX_THREADS)]
    fleet = Fleet(endpoints, 0.05, make_look=lambda e: Slow(endpoints.index(e)))
    fleet.start()
    try:
        wait(lambda: at_once == MAX_THREADS)
        release.set()
        wait(lambda: all(row.answered_at is not None for row in fleet.rows()))
    finally:
        release.set()
        fleet.stop()
    assert most == MAX_THREADS


def test_a_silent_node_is_asked_less_and_less_often(wait):
    looks = {}

    def make(endpoint):
        number = int(endpoint.host[-3:])
        looks[number] = FakeLook(number, silent=(1,))
        return looks[number]

    fleet = Fleet([Endpoint("node-000", 8000), Endpoint("node-001", 8000)], 0.02, make_look=make)
    fleet.start()
    try:
        wait(lambda: looks[0].asked >= 30)
    finally:
        fleet.stop()
    assert 2 <= looks[1].asked <= 10


def test_s_sorts_r_turns_around_and_slash_filters():
    async def check(app, pilot):
        assert nodes(app) == sorted(nodes(app))
        await pilot.press("S", "r")
        assert nodes(app) == sorted(nodes(app), reverse=True)
        await pilot.press("s", "s")
        loads = [row.utilization for row in app.table._shown]
        assert loads == sorted(loads, reverse=True)
        await pilot.press("slash", *"node", "minus", *"007")
        await until(pilot, lambda: nodes(app) == ["node-007:8000"], "the filtered table")
        await pilot.press("escape")
        await until(pilot, lambda: len(nodes(app)) == 12, "all nodes")

    drive_fleet(check)


def test_enter_opens_a_node_in_the_normal_views_and_escape_comes_back():
    async def check(app, pilot):
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda: "NeuronCore v1 Utilization" in text(app), "the node")
        assert isinstance(app.screen, NodeScreen)
        assert f"i-{2:017x}" in text(app)
        await pilot.press("t")
        assert "Owners" in text(app)
        await pilot.press("p", "k")
        await until(pilot, lambda: "this machine only" in text(app), "the refusal")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.table, "the fleet")
        await pilot.press("q")

    app = drive_fleet(check)
    assert app.return_value.view == "processes"


def test_the_command_palette_and_screenshots_are_there_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    async def check(app, pilot):
        await pilot.press("ctrl+p")
        await pilot.press(*"heat")
        await until(pilot, lambda: "Table or heat map" in text(app), "the found command")
        await pilot.press("enter")
        await until(pilot, lambda: "share of time busy" in text(app), "the heat map")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: list(tmp_path.glob("*.svg")), "the picture")

    drive_fleet(check)


def test_c_shows_all_cores_of_all_nodes_and_arrows_choose_one():
    async def check(app, pilot):
        await pilot.press("c")
        assert "share of time busy" in text(app)
        await pilot.press("right", "right", "right", "left")
        assert "node-002:8000" in text(app)
        await pilot.press("home", "end")
        assert app.table._tiles.chosen == 11
        await pilot.press("enter")
        await until(pilot, lambda: f"i-{11:017x}" in text(app), "the node")
        await pilot.press("escape", "c")
        assert app.table._table.cursor == 11
        await pilot.press("q")

    app = drive_fleet(check, size=(80, 20))
    assert app.return_value.fleet_heat is False


def test_g_groups_by_zone_and_type_and_enter_goes_into_a_group():
    async def check(app, pilot):
        await pilot.press("g")
        assert nodes(app) == ["unknown", "us-east-1a"], "the group in trouble comes first"
        assert "1 node, 1 without an answer" in text(app)
        await pilot.press("down", "enter")
        assert len(nodes(app)) == 11
        await pilot.press("escape")
        assert len(nodes(app)) == 2
        await pilot.press("g")
        assert "inf1.xlarge" in nodes(app)
        await pilot.press("c")
        assert "inf1.xlarge (11)" in text(app), "the heat map has the same groups"
        await pilot.press("c", "g")
        assert len(nodes(app)) == 12
        await pilot.press("g", "q")

    app = drive_fleet(check, make_fleet(silent=(3,)), size=(200, 30))
    assert app.return_value.fleet_group == "zone"


def test_the_worst_nodes_stay_on_top_until_w():
    async def check(app, pilot):
        await pilot.press("S")
        assert nodes(app)[0] == "node-007:8000", "no answer, though the order is by name"
        await pilot.press("w")
        await until(pilot, lambda: nodes(app)[0] != "node-007:8000", "the order by name")
        await pilot.press("q")

    app = drive_fleet(check, make_fleet(silent=(7,)))
    assert app.return_value.fleet_worst_first is False


def test_h_shows_what_a_prometheus_recorded():
    asked = []

    class Recorded:
        url, scrape_seconds = "http://prometheus:9090", 15.0

        def values(self, query, start, end, step):
            asked.append(query)
            return [Point(start + step * n, 0.5) for n in range(10)]

    async def check(app, pilot):
        await pilot.press("h")
        await until(pilot, lambda: "Utilization of cores in use" in text(app), "the charts")
        assert "node-000:8000  Last 1 h, recorded by http://prometheus:9090" in text(app)
        assert any('instance="node-000:8000"' in query for query in asked)
        await pilot.press("minus")
        await until(pilot, lambda: "Last 6 h" in text(app) and "asking" not in text(app), "a longer span")
        await pilot.press("escape", "H")
        await until(pilot, lambda: "all nodes  Last" in text(app), "the history of all nodes")

    drive_fleet(check, prometheus=Recorded())


def test_without_a_prometheus_there_is_no_history():
    async def check(app, pilot):
        await pilot.press("h")
        await until(pilot, lambda: "--prometheus URL" in text(app), "the reason")

    drive_fleet(check)


def test_the_table_of_all_nodes_is_printed_with_rates(capsys):
    assert print_fleet(make_fleet(silent=(3,), interval_seconds=0.05), Form.JSON)
    found = json.loads(capsys.readouterr().out)
    assert (found["node_count"], found["answering_count"]) == (12, 11)
    assert all(node["executions_per_second"] is not None for node in found["nodes"] if node["answers"])
    assert not print_fleet(make_fleet(2, silent=(0, 1), interval_seconds=0.05), Form.CSV)
    assert capsys.readouterr().out.count("\n") == 3


def test_a_click_chooses_a_tile_and_a_double_click_opens_a_node():
    async def check(app, pilot):
        await pilot.press("c")
        await pilot.click("#tiles", offset=(2 * 19 + 1, 1))
        assert " node-002:8000  inf1" in text(app)
        await pilot.press("c")
        await pilot.click("#node-table", offset=(4, 3), times=2)
        await until(pilot, lambda: isinstance(app.screen, NodeScreen), "the node")

    drive_fleet(check)


def test_a_click_on_a_title_sorts():
    async def check(app, pilot):
        await pilot.click("#node-table", offset=(2, 0), times=1)
        await pilot.click("#node-table", offset=(2, 0), times=1)
        assert nodes(app) == sorted(nodes(app), reverse=True)

    drive_fleet(check)


def test_space_holds_the_table_still_and_question_mark_helps():
    async def check(app, pilot):
        await pilot.press("space")
        assert "PAUSED" in text(app)
        held = app.table._rows
        await pilot.pause(0.7)
        assert app.table._rows is held
        await pilot.press("space", "question_mark")
        assert "Switch between the table and the heat map" in text(app)
        await pilot.press("escape", "y")
        assert app.clipboard.startswith("node-000:8000")

    drive_fleet(check)


def test_without_colour_cores_are_told_apart_by_characters():
    async def check(app, pilot):
        await pilot.press("c")
        shown = text(app)
        assert "x" in shown
        assert not {c for c in shown if ord(c) > 126}

    drive_fleet(check, make_fleet(silent=(3,)), glyphs=ASCII)


def test_five_hundred_nodes_are_all_there():
    async def check(app, pilot):
        await until(pilot, lambda: "500 of 500 nodes answer" in text(app), "all answers")
        await pilot.press("end")
        assert "node-499:8000" in text(app)
        await pilot.press("c")
        assert "node-499:8000" in text(app)

    drive_fleet(check, make_fleet(500, interval_seconds=3.0), (200, 60))


@pytest.mark.parametrize("heat", [False, True], ids=["table", "heat"])
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_fleet_looks_like(size, heat, snap_compare):
    fleet = make_fleet(200)
    fleet.start = lambda: None
    looks = [FakeLook(n) for n in range(200)]
    rows = [answered_row(look.name, look.moment(), 0.0) for look in looks]
    rows[3] = NodeRow(looks[3].name, "cannot reach node-003:8000: Connection refused", None)
    rows[9] = silent_row(rows[9].endpoint, "cannot reach node-009:8000: no answer within 5 s", rows[9])._replace(
        answered_at=None
    )
    fleet._rows = rows

    async def show(pilot):
        pilot.app.table.refresh_rows()
        await pilot.press("down")
        await pilot.pause()

    app = FleetTop(fleet, Settings(fleet_heat=heat), UNICODE)
    assert snap_compare(app, terminal_size=size, run_before=show)
