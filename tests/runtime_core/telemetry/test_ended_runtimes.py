"""Pages whose runtime has ended are not shown, even if another process locks the page; link counts are kept."""

import subprocess
import sys

import pytest

from runtime_core.telemetry import open_source

RUNTIME = """
import sys
from runtime_core.driver import ownership
from runtime_core.driver.node import open_or_set_up
from runtime_core.driver.pages.page import RuntimePage
store = open_or_set_up()
page = RuntimePage(store, tag="first", command="test", version="0")
ownership.claim_cores(store.locks, [0])
page.own_cores([0])
page.count((0,), 0, 0, None, 2_000_000, 1_000_000)
page._page.devices[0].link_bytes[0] = 4096
if "inside" in sys.argv:
    page._words[0] += 1
print("up", flush=True)
sys.stdin.read()
"""
# The first step of the next runtime; a loaded host may interrupt it there.
NEXT_OWNER = """
import sys
from runtime_core.driver.locks import page_byte
from runtime_core.driver.node import open_or_set_up
assert open_or_set_up().locks.try_lock(page_byte(0))
print("up", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def run(node):
    started = []

    def start(code, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        started.append(process)
        assert process.stdout.readline() == b"up\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def end(process):
    process.kill()
    process.wait()


@pytest.mark.parametrize("seen_dead", [True, False])
def test_a_runtime_that_ended_does_not_come_back_under_the_lock_of_the_next(run, seen_dead):
    source = open_source()
    first = run(RUNTIME)
    assert [r.tag for r in source.snapshot().runtimes] == ["first"]
    end(first)
    if seen_dead:
        assert source.snapshot().runtimes == ()
    run(NEXT_OWNER)
    assert source.snapshot().runtimes == ()


@pytest.mark.parametrize("place", ["inside", "outside"])
def test_what_was_sent_over_links_stays_sent_when_its_sender_is_killed_inside_a_write_or_outside(run, place):
    source = open_source()
    first = run(RUNTIME, place)
    before = source.snapshot().devices[0].link_east_bytes + source.snapshot().devices[0].link_west_bytes
    assert before == 4096
    end(first)
    after = source.snapshot().devices[0]
    assert after.link_east_bytes + after.link_west_bytes == 4096
