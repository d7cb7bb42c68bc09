"""Owners of cores, which the driver does not report."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_core.telemetry.sysfs.holders import Holder, attribute_cores, find_holders, parse_core_list

CORES = {0: (0, 1, 2, 3), 1: (4, 5, 6, 7)}


def process(pid, devices, visible=None):
    return Holder(pid, pid, 0, str(pid), "app", devices, None if visible is None else frozenset(visible))


@pytest.mark.parametrize(
    ("text", "cores"),
    [("0", {0}), ("0-3", {0, 1, 2, 3}), ("4, 6-7", {4, 6, 7}), ("", None), ("3-1", None), ("a", None), ("-1", None),
     ("0-99999999", None), ("0," * 600 + "0", None)],
)  # fmt: skip
def test_core_lists(text, cores):
    assert parse_core_list(text) == cores


def test_alone_on_a_device():
    assert attribute_cores(CORES, [process(1, (0, 1))]) == ({1: frozenset(range(8))}, frozenset())


def test_a_list_of_cores_that_it_does_not_hold_is_a_containers_own_numbering():
    assert attribute_cores(CORES, [process(1, (1,), {0, 1})]).cores == {1: {4, 5, 6, 7}}


def test_the_same_core_named_twice_is_unclear():
    found = attribute_cores(CORES, [process(1, (0,), {0, 1}), process(2, (0, 1), {1, 4})])
    assert found.unclear == {0}
    assert found.cores == {1: frozenset(), 2: {4}}


def test_a_device_that_is_not_in_the_tree_is_no_trouble():
    assert attribute_cores(CORES, [process(1, (9,))]) == ({1: frozenset()}, frozenset())


@given(
    st.lists(
        st.tuples(
            st.sets(st.sampled_from([0, 1]), min_size=1), st.none() | st.frozensets(st.integers(0, 8), max_size=4)
        ),
        max_size=5,
    )
)
def test_no_core_ever_has_two_owners(processes):
    holders = [process(pid, tuple(sorted(devices)), cores) for pid, (devices, cores) in enumerate(processes)]
    owned = [core for cores in attribute_cores(CORES, holders).cores.values() for core in cores]
    assert len(owned) == len(set(owned))


def test_without_device_files_no_process_is_looked_at(tmp_path):
    assert find_holders(tmp_path, proc=tmp_path / "never-read") == ()


def test_odd_processes_are_passed_over(tmp_path, dev):
    proc = tmp_path / "proc"
    for pid in ("1", "2", "3", "4"):
        (proc / pid / "fd").mkdir(parents=True)
        (proc / pid / "fd" / "5").symlink_to(dev / "neuron0")
        (proc / pid / "stat").write_bytes(b"7 (a) (b c) S " + b"0 " * 40)
        (proc / pid / "cmdline").write_bytes(b"app\0--tag\0\x1b[31m\0")
    (proc / "2" / "stat").write_bytes(b"junk")
    (proc / "3" / "cmdline").unlink()
    (proc / "4" / "fd" / "5").unlink()
    (proc / "4" / "fd" / "5").symlink_to(dev / "neuron_other")
    (proc / "self").mkdir()
    (found,) = find_holders(dev, proc)
    assert (found.pid, found.tag, found.devices) == (1, "1", (0,))
    assert found.command == "app --tag \x1b[31m"
