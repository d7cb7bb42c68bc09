"""Sizes, addresses and links equal the hardware contract."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_core.errors import UsageError
from runtime_core.instance import INSTANCE_TYPES, cpu_affinity, instance_type, numa_node
from runtime_core.topology import topology

sizes = st.sampled_from(list(INSTANCE_TYPES.values()))


@pytest.mark.parametrize(
    ("name", "chips", "cores", "vcpus", "gib"),
    [
        ("inf1.xlarge", 1, 4, 4, 8),
        ("inf1.2xlarge", 1, 4, 8, 16),
        ("inf1.6xlarge", 4, 16, 24, 48),
        ("inf1.24xlarge", 16, 64, 96, 192),
    ],
)
def test_the_four_sizes(name, chips, cores, vcpus, gib):
    size = instance_type(name)
    assert (size.device_count, size.core_count, size.vcpu_count, size.host_memory_gib) == (chips, cores, vcpus, gib)


def test_an_unknown_size_names_the_known_ones():
    with pytest.raises(UsageError, match=r"inf1\.6xlarge"):
        instance_type("inf2.xlarge")


def test_6xlarge_is_a_line_reported_east_first():
    t = topology(instance_type("inf1.6xlarge"))
    assert [d.connected for d in t.devices] == [(1,), (2, 0), (3, 1), (2,)]
    assert [d.bdf for d in t.devices] == [f"0000:00:1{x}.0" for x in "cdef"]


def test_24xlarge_is_a_ring():
    t = topology(instance_type("inf1.24xlarge"))
    assert t.devices[15].east == 0
    assert t.devices[0].west == 15
    assert (t.devices[0].bdf, t.devices[15].bdf) == ("0000:00:10.0", "0000:00:1f.0")


@pytest.mark.parametrize("name", ["inf1.xlarge", "inf1.2xlarge"])
def test_a_single_chip_has_no_links_and_the_last_address(name):
    (device,) = topology(instance_type(name)).devices
    assert (device.connected, device.bdf) == ((), "0000:00:1f.0")


def test_contiguity_as_the_contract_gives_it():
    t = topology(instance_type("inf1.6xlarge"))
    assert t.contiguous([0, 1, 2])
    assert not t.contiguous([0, 2])
    assert not t.contiguous([])
    assert topology(instance_type("inf1.24xlarge")).contiguous([15, 0, 1])


@given(sizes)
def test_links_are_mutual(size):
    t = topology(size)
    for device in t.devices:
        for neighbour in device.connected:
            assert device.index in t.neighbours(neighbour)


@given(sizes, st.data())
def test_hops_are_a_metric_and_paths_have_that_length(size, data):
    t = topology(size)
    pick = st.integers(0, size.core_count - 1)
    a, b, c = data.draw(pick), data.draw(pick), data.draw(pick)
    assert t.core_hops(a, b) == t.core_hops(b, a)
    assert t.core_hops(a, c) <= t.core_hops(a, b) + t.core_hops(b, c)
    assert (t.core_hops(a, b) == 0) == (a // 4 == b // 4)
    path = t.path(a // 4, b // 4)
    assert len(path) == t.core_hops(a, b)
    at = a // 4
    for device, eastward in path:
        assert device == at
        at = t.devices[at].east if eastward else t.devices[at].west
    assert at == b // 4


@given(sizes, st.data())
def test_a_chain_is_contiguous_and_stays_so_in_any_order(size, data):
    t = topology(size)
    start = data.draw(st.integers(0, size.device_count - 1))
    chain = [start]
    while (following := t.devices[chain[-1]].east) is not None and following not in chain:
        chain.append(following)
    length = data.draw(st.integers(1, len(chain)))
    assert t.contiguous(data.draw(st.permutations(chain[:length])))


def test_affinity_covers_every_vcpu_and_follows_the_sockets():
    size = instance_type("inf1.24xlarge")
    assert (cpu_affinity(size, 0), numa_node(size, 0)) == ("0-23,48-71", 0)
    assert (cpu_affinity(size, 15), numa_node(size, 15)) == ("24-47,72-95", 1)
    assert cpu_affinity(instance_type("inf1.xlarge"), 0) == "0-3"
