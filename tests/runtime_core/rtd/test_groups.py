"""NeuronCore Groups and load modes over the wire."""

import pytest
from chains import chain, chain_input

from runtime_core.rtd.groups import find_run
from runtime_core.rtd.status import RtdError
from runtime_core.status import Nerr

X = {"x": chain_input().tobytes()}


def code_of(call, *arguments, **options):
    with pytest.raises(RtdError) as caught:
        call(*arguments, **options)
    return caught.value.code


def test_the_lowest_run_that_is_long_enough_is_taken():
    assert find_run([True, False, True, False, False], 2) == (3, 2)
    assert find_run([False, False, True, False], 1) == (0, 1)


def test_no_count_takes_the_largest_run():
    assert find_run([False, True, False, False, True], 0) == (2, 2)


def test_groups_take_neighbouring_cores_until_there_are_none(client):
    first, second = client.create_group(1), client.create_group(2)
    assert code_of(client.create_group, 2) is Nerr.RESOURCE_NC
    client.destroy_group(first)
    third = client.create_group(0)
    where = {g.eg.id: (g.vnc_start_index, g.nc_count, g.mla_start_index, g.nc_start_index) for g in client.groups()}
    assert where == {second: (1, 2, 0, 1), third: (0, 1, 0, 0)}


def test_a_group_spans_the_devices_of_the_daemon(start_daemon):
    from runtime_core.rtd.client import Client

    daemon = start_daemon(devices=(2, 1))
    with Client(daemon.address) as client:
        client.create_group(3)
        client.create_group(2)
        assert [(g.mla_start_index, g.nc_start_index) for g in client.groups()] == [(1, 0), (1, 3)]


def test_a_group_that_holds_a_network_is_not_destroyed(client):
    group = client.create_group(1)
    network = client.load(chain(), group=group)
    assert code_of(client.destroy_group, group) is Nerr.FAILED_STATE
    client.unload(network)
    client.destroy_group(group)
    assert code_of(client.destroy_group, group) is Nerr.INVALID_HANDLE


def test_one_network_of_a_group_runs_at_a_time(client):
    group = client.create_group(1)
    one, other = client.load(chain(seed=1), group=group), client.load(chain(seed=2), group=group)
    assert code_of(client.infer, one, X) is Nerr.FAILED_STATE
    client.start(one)
    first = client.infer(one, X)
    client.start(other)
    assert code_of(client.infer, one, X) is Nerr.FAILED_STATE
    assert client.infer(other, X) != first
    client.stop(other)
    client.start(one)
    assert client.infer(one, X) == first


def test_a_load_that_names_no_group_gets_one_of_its_own(client):
    network = client.load(chain(stages=2))
    (group,) = client.groups()
    assert group.nc_count == 2
    client.infer(network, X)
    assert code_of(client.load, chain(), group=group.eg.id) is Nerr.INVALID
    client.unload(network)
    assert client.groups() == []


def test_a_group_too_small_for_normal_mode_runs_the_nodes_in_turn(client):
    small, large = client.create_group(1), client.create_group(3)
    shared = client.load(chain(stages=3), group=small)
    normal = client.load(chain(stages=3), group=large)
    assert {m.h_nn.id: (m.shared_nc, m.nc_count) for m in client.models()} == {shared: (True, 1), normal: (False, 3)}
    client.start(shared)
    client.start(normal)
    assert client.infer(shared, X) == client.infer(normal, X)


def test_an_implicit_load_is_always_normal(client):
    client.create_group(3)
    assert code_of(client.load, chain(stages=2)) is Nerr.RESOURCE_NC
    assert len(client.groups()) == 1


def test_unload_all_leaves_explicit_groups(client):
    group = client.create_group(1)
    client.load(chain(), group=group)
    client.load(chain())
    client.unload_all()
    assert client.models() == []
    assert [g.eg.id for g in client.groups()] == [group]


def test_networks_that_are_unloaded_or_unknown(client):
    network = client.load(chain())
    client.unload(network)
    for call in (client.unload, client.start, client.stop):
        assert code_of(call, network) is Nerr.INVALID_HANDLE
    assert code_of(client.infer, network, X) is Nerr.INVALID_HANDLE
    assert code_of(client.load, chain(), group=99) is Nerr.INVALID_HANDLE
