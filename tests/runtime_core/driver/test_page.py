"""The counters of a page are exact and never decrease; after its process only the totals remain."""

import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_core.driver import layout, ownership
from runtime_core.driver.locks import core_byte, page_byte
from runtime_core.driver.pages.page import RuntimePage
from runtime_core.status import NrtError, NrtStatus
from runtime_core.telemetry import open_source


def own(snapshot, tag="t"):
    return next(r for r in snapshot.runtimes if r.tag == tag)


def test_executions_of_a_core_follow_one_another(make_page):
    page = make_page(0)
    assert page.place(0, 1000, 1000, 500, 10) == (1000, 1500)
    assert page.place(0, 1100, 1100, 500, 10) == (1500, 2000)
    assert page.place(0, 5000, 5000, 500, 10) == (5000, 5500)


def test_a_timeout_takes_the_core_for_its_length_only(make_page):
    page = make_page(0)
    assert page.place(0, 0, 0, 10_000, 100, timeout_ns=2_000) == (0, 2_000)


work = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 1500), st.integers(1, 1500), st.integers(0, 10**12)))


@given(work)
def test_busy_time_and_flops_never_go_back_and_add_up(jobs):
    """The reader's arithmetic compared with a simulation of every nanosecond, with gaps and late starts."""
    busy = flops = free_at = backlog = backlog_flops = now = 0
    seen = (0, 0)
    for wait_ns, delay_ns, duration_ns, job_flops in jobs:
        for step in (wait_ns // 2, wait_ns - wait_ns // 2):
            now += step
            done = layout.busy_done(busy, flops, free_at, backlog, backlog_flops, now)
            assert done >= seen
            assert done[0] >= seen[0]
            assert done[1] >= seen[1]
            assert done[0] <= now
            seen = done
        left = layout.backlog_left_ns(free_at, backlog, now)
        left_flops = -(-backlog_flops * left // backlog) if left else 0
        start = max(now + delay_ns, free_at)
        busy, flops, free_at = busy + duration_ns, flops + job_flops, start + duration_ns
        backlog, backlog_flops = left + duration_ns, left_flops + job_flops
        after = layout.busy_done(busy, flops, free_at, backlog, backlog_flops, now)
        assert after == seen
    end = layout.busy_done(busy, flops, free_at, backlog, backlog_flops, free_at)
    assert end == (sum(j[2] for j in jobs), sum(j[3] for j in jobs))


def test_a_snapshot_tells_what_was_counted(node, make_page):
    page = make_page(4, 5, tag="web")
    page.count((4,), 0, 0, None, 5_000_000, 4_000_000)
    page.count((5,), 3, 2, 0, 2_000_000_000, 2_000_000_000)
    page.count((4,), 4, 3, 0, -1, -1)
    page.add_core_memory(4, 0, 123)
    page.add_host_memory(3, 77)
    runtime = own(open_source().snapshot(), "web")
    assert runtime.pid == os.getpid()
    assert set(runtime.cores) == {4, 5}
    assert runtime.executions == (1, 0, 0, 1, 1, 0)
    assert runtime.errors == (2, 0, 0, 0, 0, 0)
    assert runtime.total_latency.count == runtime.device_latency.count == 2
    assert runtime.total_latency.sum_ns == 2_005_000_000
    assert runtime.cores[4].memory.constants == 123
    assert runtime.cores[4].status.success == runtime.cores[4].status.exec_bad_input == 1
    assert runtime.cores[5].status.timeout == 1
    assert runtime.host_memory.tensors == 77


def test_models_come_and_go(make_page):
    page = make_page(0, 1)
    page.add_model(7, "resnet", "ab" * 16, [(0, [1, 2, 3, 4], [5, 6, 7, 8]), (1, [0] * 4, [1] * 4)])
    (model,) = own(open_source().snapshot()).models
    assert (model.model_id, model.name, model.uuid, model.running) == (7, "resnet", "ab" * 16, True)
    assert [s.core for s in model.subgraphs] == [0, 1]
    assert model.subgraphs[0].device_memory == (5, 6, 7, 8)
    source = open_source()
    source.snapshot()
    page.set_running(7, False)
    assert not own(source.snapshot()).models[0].running
    page.remove_model(7)
    assert own(source.snapshot()).models == ()


def test_a_full_model_table_is_a_resource_error(make_page):
    page = make_page(0)
    for number in range(1, layout.MAX_MODELS + 1):
        page.add_model(number, "m", "0" * 32, [(0, [0] * 4, [0] * 4)])
    with pytest.raises(NrtError) as caught:
        page.add_model(999, "m", "0" * 32, [(0, [0] * 4, [0] * 4)])
    assert caught.value.status is NrtStatus.RESOURCE
    page.remove_model(3)
    page.add_model(999, "m", "0" * 32, [(0, [0] * 4, [0] * 4)])


def test_a_full_process_table_is_a_resource_error(store):
    pages = [RuntimePage(store, tag=str(i), command="", version="") for i in range(layout.PAGE_COUNT)]
    with pytest.raises(NrtError, match="process table is full") as caught:
        RuntimePage(store, tag="x", command="", version="")
    assert caught.value.status is NrtStatus.RESOURCE
    assert len(open_source().snapshot().runtimes) == layout.PAGE_COUNT
    for page in pages:
        page.release()


def test_totals_keep_what_ended_runtimes_counted(store, make_page):
    page = RuntimePage(store, tag="short", command="", version="")
    ownership.claim_cores(store.locks, [2])
    page.own_cores([2])
    page.place(2, 0, 0, 1000, 50)
    page.count((2,), 0, 0, None, 2000, 1000)
    page.count_link(0, True, 64)
    page.release()
    ownership.release_cores(store.locks, [2])
    totals = store.core_totals(2)
    assert (totals.busy_ns, totals.flops, totals.inference_count, totals.status[0]) == (1000, 50, 1, 1)
    assert open_source().snapshot().devices[0].link_east_bytes == 64


VICTIM = """
import sys, time
from runtime_core.driver import ownership
from runtime_core.driver.node import open_or_set_up
from runtime_core.driver.pages.page import RuntimePage
store = open_or_set_up()
page = RuntimePage(store, tag="victim", command="victim", version="1")
assert ownership.claim_cores(store.locks, [1])
page.own_cores([1])
page.set_dram_bytes(0, (1000, 0))
print("up", flush=True)
n = 0
while True:
    n += 1
    page.count((1,), 0, 0, None, 1_000_000 + n % 1000, 900_000)
"""


@pytest.fixture
def victim(node):
    process = subprocess.Popen([sys.executable, "-c", VICTIM], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    yield process
    process.kill()
    process.communicate()


def test_a_killed_process_leaves_cores_memory_and_a_page_that_readers_drop(victim, store, wait):
    source = open_source()
    assert own(source.snapshot(), "victim").pid == victim.pid
    wait(lambda: own(source.snapshot(), "victim").executions.completed)
    assert source.snapshot().devices[0].memory_used_bytes == 1000
    assert store.locks.holder(core_byte(1)) == victim.pid
    assert store.locks.holder(page_byte(0)) == victim.pid
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    after = source.snapshot()
    assert after.runtimes == ()
    assert after.devices[0].memory_used_bytes == 0
    assert store.locks.holder(core_byte(1)) is None
    page = RuntimePage(store, tag="next", command="", version="")
    assert page.index == 0
    assert store.core_totals(1).inference_count > 0
    page.release()


def test_a_reader_never_sees_half_a_write(victim, node, wait):
    """While a writer runs at full speed, related fields are always consistent."""
    source = open_source()
    wait(lambda: own(source.snapshot(), "victim").executions.completed > 1000)
    last = whole = 0
    while whole < 2000:
        runtime = own(source.snapshot(), "victim")
        if runtime.error:
            # On a busy machine, the writer may be stopped for longer than a reader waits.
            assert "in the middle of a write" in runtime.error
            continue
        whole += 1
        done = runtime.executions.completed
        assert runtime.total_latency.count == runtime.device_latency.count == done
        assert runtime.cores[1].status.success == runtime.cores[1].inference_count == done
        assert runtime.device_latency.sum_ns == done * 900_000
        assert done >= last
        last = done


def test_a_writer_that_stands_still_inside_a_write_is_reported_and_the_rest_is_read(node, make_page):
    make_page(0, tag="well")
    stuck = make_page(1, tag="stuck")
    stuck._words[0] += 1
    snapshot = open_source().snapshot()
    assert own(snapshot, "well").error == ""
    bad = own(snapshot, "stuck")
    assert "cannot be read" in bad.error
    assert bad.executions is None
    assert bad.cores[1].busy_ns is None
    stuck._words[0] += 1
    assert own(open_source().snapshot(), "stuck").error == ""


def test_a_forked_child_holds_nothing(make_page, store):
    page = make_page(3)
    child = os.fork()
    if not child:
        ours = page.owned_by_this_process or store.locks.holder(core_byte(3)) == os.getpid()
        os._exit(1 if ours else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.locks.holder(core_byte(3)) == os.getpid()


def test_a_page_of_a_dead_process_begins_with_an_empty_model_table(store, make_page):
    first = make_page(0)
    for number in range(1, 40):
        first.add_model(number, f"old{number}", "0" * 32, [(0, [1] * 4, [1] * 4)] * 3)
    index = first.index
    first.release()
    ownership.release_cores(first.store.locks, [0])
    again = make_page(0)
    assert again.index == index
    assert own(open_source().snapshot()).models == ()
    again.add_model(1, "new", "0" * 32, [(0, [2] * 4, [2] * 4)])
    (model,) = own(open_source().snapshot()).models
    assert (model.name, len(model.subgraphs)) == ("new", 1)


def test_subgraph_slots_are_used_again_and_never_shared(make_page):
    page = make_page(0)
    for number in range(1, 9):
        page.add_model(number, "m", "0" * 32, [(number, [0] * 4, [0] * 4)] * number)
    for number in (2, 3, 7):
        page.remove_model(number)
    page.add_model(20, "m", "0" * 32, [(20, [0] * 4, [0] * 4)] * 5)
    page.add_model(21, "m", "0" * 32, [(21, [0] * 4, [0] * 4)] * 30)
    found = {m.model_id: [s.core for s in m.subgraphs] for m in own(open_source().snapshot()).models}
    assert found == {n: [n] * n for n in (1, 4, 5, 6, 8)} | {20: [20] * 5, 21: [21] * 30}
