"""Check our pages with Prometheus' linter."""

import subprocess

import pytest
from real_prometheus import program
from worlds import BUSY, make_snapshot

from neuron_monitor.prometheus.from_node import NodeFeed
from neuron_monitor.prometheus.from_stream import StreamFeed
from neuron_monitor.prometheus.page import Page
from neuron_monitor.prometheus.table import INHERITED_COMPLAINTS, INHERITED_NODE, INHERITED_RUNTIME


def complaints(page):
    text = b"".join(page.scrape())
    done = subprocess.run([program("promtool"), "check", "metrics"], input=text, capture_output=True, timeout=30)
    assert done.returncode in (0, 3), done.stderr
    return {tuple(line.split(" ", 1)) for line in (done.stdout + done.stderr).decode().splitlines() if line}


@pytest.mark.parametrize("feed", [NodeFeed, StreamFeed])
def test_promtool_complains_of_the_inherited_names_that_are_listed_and_of_nothing_else(looks, feed):
    (look,) = looks(make_snapshot(seconds=1, runtimes=BUSY), make_snapshot(seconds=6, runtimes=BUSY))
    page = Page()
    page.show(feed().take(look if feed is NodeFeed else look.report), 0.0)
    assert complaints(page) == set(INHERITED_COMPLAINTS.items())


def test_only_names_that_are_not_ours_to_change_are_listed():
    assert INHERITED_COMPLAINTS.keys() <= {row.name for row in (*INHERITED_RUNTIME, *INHERITED_NODE)}
