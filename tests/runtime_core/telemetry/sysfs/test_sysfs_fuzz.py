"""Every tree is read without a crash, and every viewer can show the result."""

import errno
import itertools
import os
import random
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_files import spoil

from neuron_ls.listing import View, render
from neuron_monitor.groups import execution_stats, hw_counters, memory_used, neuroncore_counters
from neuron_top.model.overview import make_view
from runtime_core.mirror.surroundings import encode_mirror
from runtime_core.telemetry import NodeError, rates
from runtime_core.telemetry.sysfs.source import SysfsSource
from runtime_core.telemetry.sysfs.surroundings import (
    MIRROR_FILE,
    Mirror,
    MirrorDevice,
    MirrorInstance,
    MirrorProcess,
)

CONTENTS = st.one_of(
    st.binary(max_size=64),
    st.integers(-(2**70), 2**70).map(lambda n: f"{n}\n".encode()),
    st.sampled_from([b"", b"\n", b"0x10", b"1\x00", b"1 2", b"\xd9\xa1", b"1,,2", b"99999999999, 0", b"0", b"nan"]),
)
WAYS = st.one_of(
    st.tuples(st.just("write"), CONTENTS),
    st.tuples(st.sampled_from(["unlink", "directory", "forbid", "fifo", "dangling", "endless"]), st.just(b"")),
)


def show_everywhere(before, after):
    change = rates(before, after)
    for view in (View(), View(wide=True, topology=True), View(as_json=True)):
        assert "\x1b" not in render(after, view)
    make_view(after, change, 0)
    hw_counters(change)
    for runtime in after.runtimes:
        rate = change.runtimes[runtime.key]
        neuroncore_counters(runtime, rate)
        execution_stats(runtime, rate)
        memory_used(runtime, rate)


def mend(path, content):
    """Undo the changes of :func:`spoil`."""
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    path.write_bytes(content)


@pytest.fixture
def files(tree):
    return {path: path.read_bytes() for path in sorted(tree.root.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("busy", [False, True])
def test_no_content_of_any_file_breaks_the_reader(tree, files, dev, holder, busy):
    if busy:
        holder(0)
        holder(1, 2)
    source = SysfsSource(tree.root, dev=dev)

    @settings(max_examples=40)
    @given(st.dictionaries(st.sampled_from(list(files)), WAYS, max_size=12))
    def spoilt_files_are_read(spoilt):
        before = source.snapshot()
        for path, way in spoilt.items():
            spoil(path, *way)
        after = source.snapshot()
        assert len(after.devices) == 4
        show_everywhere(before, after)
        for path in spoilt:
            mend(path, files[path])

    spoilt_files_are_read()


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12)


@settings(max_examples=40)
@given(
    names=st.lists(NAMES.filter(lambda name: name not in (".", "..")), unique=True, max_size=6),
    numbers=st.lists(st.integers(0, 10**6), unique=True, max_size=4),
)
def test_no_name_of_any_directory_breaks_the_reader(tmp_path_factory, names, numbers):
    root = tmp_path_factory.mktemp("tree")
    for name in {*names, *(f"neuron{n}" for n in numbers)}:
        (root / name).mkdir()
    source = SysfsSource(root)
    try:
        snapshot = source.snapshot()
    except NodeError:
        assert not [n for n in numbers if n < 10_000]
        return
    show_everywhere(snapshot, source.snapshot())


NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.integers(-1, 20)
TEXTS = st.text(max_size=20)
MIRRORS = st.builds(
    Mirror,
    st.builds(MirrorInstance, *[TEXTS] * 8),
    TEXTS,
    st.lists(st.builds(MirrorDevice, NUMBERS, st.none() | TEXTS, st.none() | TEXTS, st.none() | NUMBERS), max_size=3),
    st.lists(
        st.builds(MirrorProcess, *[NUMBERS] * 3, *[TEXTS] * 4, st.lists(NUMBERS, max_size=5)),
        max_size=4,
    ),
)


def test_no_mirror_file_breaks_the_reader(tree):
    source = SysfsSource(tree.root)

    @settings(max_examples=60)
    @given(mirror=MIRRORS)
    def odd_mirrors_are_read(mirror):
        before = source.snapshot(host=True)
        (tree.root / MIRROR_FILE).write_bytes(encode_mirror(mirror))
        after = source.snapshot(host=True)
        assert len(after.runtimes) == len(mirror.processes)
        show_everywhere(before, after)

    odd_mirrors_are_read()


def test_files_that_vanish_while_they_are_read(tree, monkeypatch):
    source = SysfsSource(tree.root)
    before = source.snapshot()
    reads = itertools.count()
    real_read = os.read

    def read_and_lose(fd, size):
        if next(reads) == 40:
            shutil.rmtree(tree.root)
        return real_read(fd, size)

    monkeypatch.setattr(os, "read", read_and_lose)
    after = source.snapshot()
    assert after.devices[3].cores == {}
    assert after.devices[0].cores[0].status.success == 0
    show_everywhere(before, after)


def test_an_error_in_the_middle_of_a_read(tree, monkeypatch):
    source = SysfsSource(tree.root)

    def fail(fd, size):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "read", fail)
    snapshot = source.snapshot()
    assert {use.flops for device in snapshot.devices for use in device.cores.values()} == {None}


DENIALS = st.sampled_from([errno.EACCES, errno.EPERM, errno.EIO, errno.ENODEV, errno.ELOOP])


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=DENIALS, seed=st.integers(0, 999))
def test_any_file_may_be_denied(tree, number, seed):
    """Also for root, who can read files of every mode."""
    source, chance = SysfsSource(tree.root), random.Random(seed)
    before = source.snapshot()
    real_open = os.open

    def deny(path, *arguments, **options):
        if str(path).startswith(f"{tree.root}/") and chance.random() < 0.3:
            raise OSError(number, os.strerror(number), path)
        return real_open(path, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", deny)
        after = source.snapshot()
    assert len(after.devices) == 4
    show_everywhere(before, after)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ENOENT])
def test_a_root_that_can_not_be_listed_is_a_line(tree, monkeypatch, number):
    def deny(path):
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(os, "listdir", deny)
    with pytest.raises(NodeError) as failure:
        SysfsSource(tree.root).snapshot()
    assert "\n" not in str(failure.value)
