"""Sets that are allocated together are contiguous for every shape."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuron_tools.kubernetes.silicon import (
    INSTANCES,
    Shape,
    Silicon,
    are_contiguous_cores,
    are_contiguous_devices,
    choose_cores,
    choose_devices,
    core_sets,
    device_sets,
    shape_of,
    supported_counts,
)

RING = INSTANCES["inf1.24xlarge"]
LINE = INSTANCES["inf1.6xlarge"]
TORUS = INSTANCES["trn1.32xlarge"]
TORUS_LINKS = {i: [(i + 4) % 16, (i - 4) % 16, i // 4 * 4 + (i + 1) % 4, i // 4 * 4 + (i - 1) % 4] for i in range(16)}


def test_a_ring_wraps_and_a_line_does_not():
    assert (15, 0) in device_sets(RING, 2)
    assert are_contiguous_devices(RING, [0, 1, 15])
    assert not are_contiguous_devices(LINE, [0, 3])
    assert not are_contiguous_devices(RING, [0, 2, 4])


def test_a_torus_hands_out_aligned_sets_only():
    assert list(supported_counts(TORUS)) == [1, 4, 8, 16]
    assert device_sets(TORUS, 4) == [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11), (12, 13, 14, 15)]
    assert choose_devices(TORUS, 7, range(16)) is None


def test_few_cores_stay_within_one_device_and_more_fill_whole_ones():
    assert not are_contiguous_cores(LINE, [3, 4])
    assert are_contiguous_cores(LINE, range(8))
    assert are_contiguous_cores(LINE, range(4, 10))
    assert not are_contiguous_cores(LINE, range(2, 10))


def test_the_tightest_gap_is_used_first():
    assert choose_devices(RING, 2, [0, 1, 2, 3, 8, 9]) == (8, 9)
    assert choose_devices(RING, 2, [15, 0, 4, 5, 6]) == (15, 0)
    assert choose_cores(LINE, 2, [0, 1, 2, 3, 6, 7]) == (6, 7)
    assert choose_devices(RING, 3, [0, 1, 3, 4]) is None


@pytest.mark.parametrize(
    ("links", "shape"),
    [
        ({0: []}, Shape.SEPARATE),
        ({0: [1], 1: [0, 2], 2: [1, 3], 3: [2]}, Shape.LINE),
        ({i: [(i + 1) % 16, (i - 1) % 16] for i in range(16)}, Shape.RING),
        (TORUS_LINKS, Shape.TORUS),
        ({0: [], 1: [], 2: []}, Shape.SEPARATE),
    ],
)
def test_the_shape_follows_from_the_links(links, shape):
    assert shape_of(links) is shape


SILICON = st.one_of(
    st.sampled_from(list(INSTANCES.values())),
    st.builds(
        Silicon, st.integers(1, 16), st.integers(1, 8), st.sampled_from([Shape.SEPARATE, Shape.LINE, Shape.RING])
    ),
)


@given(SILICON, st.data())
def test_a_choice_is_free_contiguous_and_of_the_size_that_was_asked_for(silicon, data):
    by_core = data.draw(st.booleans())
    total = silicon.core_count if by_core else silicon.device_count
    free = data.draw(st.sets(st.integers(0, total - 1)))
    count = data.draw(st.integers(1, total))
    choose, contiguous = (choose_cores, are_contiguous_cores) if by_core else (choose_devices, are_contiguous_devices)
    sets = (core_sets if by_core else device_sets)(silicon, count)
    chosen = choose(silicon, count, free)
    if chosen is None:
        assert not any(free.issuperset(found) for found in sets)
    else:
        assert len(chosen) == len(set(chosen)) == count
        assert free.issuperset(chosen)
        assert contiguous(silicon, chosen)


@given(SILICON)
def test_one_and_all_are_always_supported(silicon):
    for count in (1, silicon.device_count):
        assert choose_devices(silicon, count, range(silicon.device_count)) is not None
    for count in (1, silicon.core_count):
        assert choose_cores(silicon, count, range(silicon.core_count)) is not None
