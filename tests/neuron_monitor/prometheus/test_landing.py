"""The response to a browser at ``/``."""

import re

import pytest
from worlds import BUSY, make_snapshot

from neuron_monitor.prometheus.from_node import NodeFeed
from neuron_monitor.prometheus.from_stream import StreamFeed
from neuron_monitor.prometheus.landing import landing_page
from neuron_monitor.wire import encode_report
from runtime_core import __version__


@pytest.fixture
def after(looks):
    """The state after the given snapshots."""

    def seen(*snapshots):
        feed = NodeFeed()
        return [feed.take(look) for look in looks(*snapshots)][-1]

    return seen


def at(seconds, **changes):
    return make_snapshot(seconds=seconds, runtimes=BUSY)._replace(**changes)


def health(page):
    return re.findall("<li>([^<]+)</li>", page.decode())


def test_a_sound_node(after):
    page = landing_page(after(at(1), at(6)), 2.34)
    assert health(page) == ["no problems"]
    for fact in (f"<h1>neuron-monitor {__version__}</h1>", "<td>2.3 s ago</td>", "<td>i-0123456789abcdef0</td>",
                 "<td>inf1.6xlarge</td>", "<td>us-east-1a</td>", "<td>2</td>"):  # fmt: skip
        assert fact in page.decode()
    assert b"None" not in page


def test_problems_are_named(after):
    devices = at(1).devices
    page = landing_page(after(at(1), at(6), at(11, devices=devices[1:])), 0.0)
    (problem,) = health(page)
    assert problem.startswith("ND0 ")


def test_what_is_unknown_is_said_and_not_called_healthy(looks):
    assert health(landing_page(None, None)) == ["unknown: no report yet"]
    (look,) = looks(at(1), at(6))
    node = StreamFeed().take_line(encode_report(look.report))
    assert health(landing_page(node, 1.0)) == ["unknown: a stream of reports does not contain it"]
    broken = node._replace(error="the driver is missing")
    assert health(landing_page(broken, 1.0)) == ["the node cannot be read: the driver is missing"]


def test_names_of_the_node_are_text_and_no_markup(after):
    instance = at(1).instance
    snapshots = [at(n, instance=instance._replace(instance_name="<script>\udcff")) for n in (1, 6)]
    page = landing_page(after(*snapshots), 0.0)
    assert b"<td>&lt;script&gt;" in page
