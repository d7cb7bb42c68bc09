"""The settings of the daemon: addresses, devices, the configuration file."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_core.errors import UsageError
from runtime_core.instance import instance_type
from runtime_core.rtd.config import (
    DaemonConfig,
    FileConfig,
    check_address,
    choose_devices,
    read_file,
    serial_chain,
)
from runtime_core.topology import topology

LINE, RING = topology(instance_type("inf1.6xlarge")), topology(instance_type("inf1.24xlarge"))


@pytest.mark.parametrize(
    ("given_address", "address"),
    [
        ("unix:/run/neuron.sock", "unix:/run/neuron.sock"),
        ("unix:///run/neuron.sock", "unix:/run/neuron.sock"),
        ("localhost:50051", "localhost:50051"),
        ("[::1]:50051", "[::1]:50051"),
    ],
)
def test_addresses(given_address, address):
    assert check_address(given_address) == address


@pytest.mark.parametrize(
    "address", ["", "unix:", "unix:run/x", "unix:/" + "x" * 200, "localhost", "localhost:", "host:70000", "a b:1", ":1"]
)
def test_what_is_no_address(address):
    with pytest.raises(UsageError, match="address"):
        check_address(address)


def test_devices_in_the_order_of_their_links():
    assert serial_chain(LINE, [2, 1]) == (1, 2)
    assert serial_chain(RING, [0, 15, 1]) == (15, 0, 1)
    assert serial_chain(RING, range(16)) == tuple(range(16))
    assert serial_chain(LINE, [0, 2]) is None


@given(st.sets(st.integers(0, 15), min_size=1))
def test_a_chain_holds_each_device_once_and_links_join_its_neighbours(devices):
    chain = serial_chain(RING, sorted(devices))
    if chain is None:
        return
    assert sorted(chain) == sorted(devices)
    assert all(RING.devices[a].east == b for a, b in zip(chain, chain[1:]))


def choose(layout, *bdfs, devices=None, visible=range(16)):
    return choose_devices(layout, DaemonConfig(FileConfig(devices=devices), bdfs), visible)


def test_devices_by_number_by_address_or_all():
    assert choose(LINE) == (0, 1, 2, 3)
    assert choose(LINE, devices=(3, 2)) == (2, 3)
    assert choose(LINE, visible=(1, 2)) == (1, 2)
    bdf = LINE.devices[1].bdf
    assert choose(LINE, bdf, devices=(3,)) == choose(LINE, bdf.partition(":")[2]) == (1,)


def test_a_container_may_have_been_given_some_of_them():
    config = DaemonConfig(FileConfig(devices=None), ())
    assert choose_devices(LINE, config, (1, 2)) == (1, 2)
    with pytest.raises(UsageError, match="it has 1, 2"):
        choose_devices(LINE, DaemonConfig(FileConfig(devices=(0,)), ()), (1, 2))


@pytest.mark.parametrize(
    ("bdfs", "devices", "said"),
    [
        (("0000:ff:00.0",), None, "no Neuron Device '0000:ff:00.0'"),
        ((), (4,), "no Neuron Device 4"),
        ((), (-1,), "no Neuron Device -1"),
        ((), (1, 1), "named twice"),
        ((), (), "the list of Neuron Devices is empty"),
        ((), (0, 2, 3), "no link joins 0 with 2, 3"),
    ],
)
def test_devices_that_can_not_be_had(bdfs, devices, said):
    with pytest.raises(UsageError, match=said):
        choose(LINE, *bdfs, devices=devices)


def test_a_configuration_file(tmp_path):
    path = tmp_path / "neuron-rtd.config"
    path.write_text(json.dumps({"name": "first", "server_port": "unix:/run/n1.sock", "devices": [0, 1], "ninfer": 8}))
    config = read_file(path)
    assert (config.name, config.devices, config.ninfer, config.timeout) == ("first", (0, 1), 8, 2)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "config"),
        ("[]", "config"),
        ('{"devices": "0"}', "devices"),
        ('{"device": [0]}', "device"),
        ('{"ninfer": 0}', "ninfer"),
        ('{"timeout": -1}', "timeout"),
        ('{"server_port": "nowhere"}', "server_port"),
    ],
)
def test_a_configuration_file_that_is_wrong(tmp_path, content, said):
    path = tmp_path / "neuron-rtd.config"
    path.write_text(content)
    with pytest.raises(UsageError) as caught:
        read_file(path)
    assert str(path) in str(caught.value) and said in str(caught.value)


@given(st.binary(max_size=200))
def test_any_file_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("config") / "c"
    path.write_bytes(content)
    try:
        read_file(path)
    except UsageError as error:
        assert str(path) in str(error)
