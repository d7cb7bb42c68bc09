"""DRAM: two channels of 4 GiB per device, shared by processes, allocated completely or not at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime_core.driver.pages.memory import _spread, allocate, release, used_by_channel
from runtime_core.instance import CHANNEL_MEMORY_BYTES, DEVICE_MEMORY_BYTES
from runtime_core.status import NrtError, NrtStatus

GIB = 1 << 30


def test_a_core_uses_its_near_channel_first(store, make_page):
    page = make_page(0, 3)
    allocate(page, [(0, GIB), (3, 2 * GIB)])
    assert used_by_channel(store, 0) == [GIB, 2 * GIB]


def test_what_fits_no_channel_goes_over_both(store, make_page):
    page = make_page(0)
    (allocation,) = allocate(page, [(0, 6 * GIB)])
    assert sum(allocation.channels) == 6 * GIB
    assert used_by_channel(store, 0) == list(allocation.channels)


def test_over_the_device_is_a_resource_error_and_nothing_stays_allocated(store, make_page):
    page = make_page(0, 4)
    allocate(page, [(0, 7 * GIB)])
    with pytest.raises(NrtError, match="Neuron Device 0") as caught:
        allocate(page, [(4, GIB), (0, 2 * GIB)])
    assert caught.value.status is NrtStatus.RESOURCE
    assert sum(used_by_channel(store, 0)) == 7 * GIB
    assert used_by_channel(store, 1) == [0, 0]


def test_two_runtimes_share_a_device(store, make_page):
    first, second = make_page(0), make_page(1)
    allocate(first, [(0, 5 * GIB)])
    with pytest.raises(NrtError):
        allocate(second, [(1, 4 * GIB)])
    allocate(second, [(1, 3 * GIB)])
    assert sum(used_by_channel(store, 0)) == DEVICE_MEMORY_BYTES


def test_given_back_it_is_there_again(store, make_page):
    page = make_page(0)
    taken = allocate(page, [(0, 8 * GIB)])
    release(page, taken)
    assert used_by_channel(store, 0) == [0, 0]
    allocate(page, [(0, 8 * GIB)])


@settings(max_examples=200)
@given(
    st.integers(0, DEVICE_MEMORY_BYTES),
    st.integers(0, 1),
    st.tuples(*[st.integers(0, CHANNEL_MEMORY_BYTES)] * 2),
)
def test_an_allocation_that_fits_the_device_is_placed_whole_within_the_channels(size, near, free):
    if size > sum(free):
        return
    split = _spread(size, near, list(free))
    assert sum(split) == size
    assert all(s <= f for s, f in zip(split, free, strict=True))
