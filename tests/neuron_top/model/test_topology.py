"""Devices, how they are linked, who owns them."""

import pytest
from busy_world import make_busy_node
from worlds import MIB, make_runtime, make_snapshot

from neuron_top.draw.topology import topology_lines
from neuron_top.glyphs import ASCII, UNICODE
from neuron_top.model.moment import make_moment
from neuron_top.model.topology import Shape, make_topology, shape_of


@pytest.mark.parametrize(
    ("size", "shape"),
    [("inf1.xlarge", Shape.SEPARATE), ("inf1.6xlarge", Shape.LINE), ("inf1.24xlarge", Shape.RING)],
)
def test_every_size_has_its_shape(size, shape):
    assert shape_of(make_snapshot(size).devices) is shape


def test_devices_in_another_order_are_only_listed():
    devices = make_snapshot("inf1.6xlarge").devices
    assert shape_of(devices[::-1]) is Shape.OTHER
    view = make_topology(make_moment(None, make_snapshot("inf1.6xlarge")._replace(devices=devices[::-1])))
    assert all(f"ND{n}" in "\n".join(line.plain for line in topology_lines(view, 80)) for n in range(4))


def test_links_carry_what_their_ends_send():
    view = make_topology(make_moment(make_busy_node(10.0), make_busy_node(12.0)))
    traffic = {(link.west_end, link.east_end): link.eastward for link in view.links}
    assert traffic[5, 6] == pytest.approx(80 * MIB)
    assert traffic[6, 7] == pytest.approx(40 * MIB)
    assert traffic[15, 0] == 0
    first = make_topology(make_moment(None, make_busy_node(10.0)))
    assert all(link.total is None for link in first.links)


def test_owners_have_letters_and_free_cores_none():
    view = make_topology(make_moment(make_busy_node(10.0), make_busy_node(12.0)))
    letters = {owner.name: owner.letter for owner in view.owners}
    assert view.devices[5].owners == (letters["pipeline"],) * 4
    assert view.devices[4].owners[2:] == ("", "")
    assert len(set(letters.values())) == len(letters)


def test_sixty_four_owners_are_all_drawn():
    runtimes = [make_runtime(1.0, 100 + core, (core,), f"app{core}") for core in range(64)]
    view = make_topology(make_moment(None, make_snapshot("inf1.24xlarge", 1.0, runtimes)))
    text = "\n".join(line.plain for line in topology_lines(view, 120))
    assert all(f"app{core}" in text for core in range(64))
    assert view.devices[0].utilization is None


@pytest.mark.parametrize("size", ["inf1.xlarge", "inf1.6xlarge", "inf1.24xlarge"])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
@pytest.mark.parametrize("width", [60, 80, 121, 250])
def test_no_line_is_wider_than_the_screen(size, glyphs, width):
    view = make_topology(make_moment(make_busy_node(10.0, size), make_busy_node(11.0, size)))
    assert all(line.cell_len <= width for line in topology_lines(view, width, glyphs))
