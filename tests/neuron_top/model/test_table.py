"""Sorting and filtering, and the tables made of it."""

from busy_world import make_busy_node
from hypothesis import given
from hypothesis import strategies as st
from worlds import make_runtime, make_snapshot

from neuron_top.model.models import make_models
from neuron_top.model.moment import make_moment
from neuron_top.model.processes import COLUMNS, make_processes, user_name, worst_first
from neuron_top.model.table import Column, matches, sort_rows
from runtime_core.telemetry import Severity

BUSY = make_moment(make_busy_node(10.0), make_busy_node(11.0))
BUSY_PROCESSES = make_processes(BUSY)
VALUE = Column("VALUE", 5, str, lambda row: row)


@given(st.lists(st.none() | st.integers() | st.floats(allow_nan=False)), st.booleans())
def test_what_is_not_known_comes_last_either_way(rows, reverse):
    found = sort_rows(rows, VALUE, reverse=reverse)
    known = [float(r) for r in found if r is not None]
    assert known == sorted(known, reverse=reverse)
    assert found[len(known):] == [None] * (len(rows) - len(known))  # fmt: skip


@given(st.text(max_size=5), st.lists(st.text(max_size=9), max_size=3))
def test_a_filter_finds_every_word_wherever_it_is(needle, texts):
    assert matches(needle, *texts) == all(
        any(word in text.casefold() for text in texts) for word in needle.casefold().split()
    )


def test_a_framework_stands_before_the_command_line():
    runtime = make_runtime(1.0, 7, (0,), "c", command="./serve x.neff")._replace(framework="PyTorch 1.13")
    (process,) = make_processes(make_moment(None, make_snapshot("inf1.xlarge", 1.0, [runtime])), "pytorch")
    (command,) = (column for column in COLUMNS if column.title == "COMMAND")
    assert command.text(process).startswith("PyTorch 1.13  ")


def test_processes_tell_what_is_known_of_them():
    found = {p.tag: p for p in make_processes(BUSY)}
    nightly = found["nightly"]
    assert (nightly.pid, nightly.cores, nightly.error_count) == (4006, (32,), 0)
    assert nightly.p99_ns is not None
    assert found["idle"].p99_ns is None
    assert [p.pid for p in make_processes(BUSY, "WEB 8081")] == [4002]


def test_a_process_that_cannot_be_read_has_no_figures():
    stuck = make_runtime(1.0, 9, (), "stuck", error="stuck")._replace(host_memory=None, executions=None)
    (process,) = make_processes(make_moment(None, make_snapshot("inf1.xlarge", 1.0, [stuck])))
    cells = {c.title: c.text(process).strip() for c in COLUMNS}
    assert {cells[t] for t in ("UTIL", "EXEC", "P99", "DEVICE", "ERRORS", "ERR/S", "HOST")} == {"N/A"}
    assert cells["COMMAND"] == "stuck"


def test_what_has_a_problem_and_ends_nothing_is_worse_than_what_is_slow():
    one, two, three = (process._replace(errors_per_second=0.0) for process in BUSY_PROCESSES[:3])
    slow = one._replace(grade=Severity.CRITICAL, p99_ns=9e9)
    stuck = two._replace(grade=Severity.CRITICAL, p99_ns=None)
    fine = three._replace(grade=None, p99_ns=None)
    assert worst_first([fine, slow, stuck]) == (stuck, slow, fine)


def test_every_column_sorts_every_process():
    processes = make_processes(BUSY)
    for column in COLUMNS:
        assert sorted(sort_rows(processes, column, reverse=True)) == sorted(processes)


def test_users_without_a_name_are_numbers():
    assert user_name(0) == "root"
    assert user_name(987654) == "987654"
    assert user_name(-1) == "N/A"


def test_models_are_found_by_tag_name_uuid_and_id():
    assert len(make_models(BUSY.snapshot, 0)) == 7
    (web,) = make_models(BUSY.snapshot, 1)
    assert web.label + web.tail == "web:4001 (pid 4001), 4 models"
    assert [row.label + row.tail for row in make_models(BUSY.snapshot, 0, "nightly 10001")] == [
        "nightly (pid 4006), 1 model"
    ]
    assert make_models(BUSY.snapshot, 0, "nothing like it") == ()
    assert web.device_bytes == sum(child.device_bytes for child in web.children)
