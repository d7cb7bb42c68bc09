"""A list of visible devices in the node directory hides all other devices."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_core.driver.datastore import Datastore
from runtime_core.driver.node import take_down
from runtime_core.driver.paths import VISIBLE_FILE
from runtime_core.driver.reset import reset_device
from runtime_core.driver.visibility import read_visible, write_visible
from runtime_core.errors import DatastoreError, UsageError
from runtime_core.nrt import NrtError, NrtStatus, Runtime
from runtime_core.telemetry import open_source


def open_runtime(**variables):
    return Runtime(environment={"NEURON_RT_LOG_LEVEL": "QUIET", **variables})


def test_without_a_list_all_are_visible(node):
    assert read_visible(node, 4) == (0, 1, 2, 3)


def test_a_runtime_gets_cores_of_visible_devices_alone(node):
    write_visible(node / VISIBLE_FILE, (1, 3))
    with open_runtime() as runtime:
        assert runtime.cores == (4, 5, 6, 7, 12, 13, 14, 15)
    with open_runtime(AWS_NEURON_VISIBLE_DEVICES="0,1") as runtime:
        assert runtime.cores == (4, 5, 6, 7)
    with pytest.raises(NrtError) as failure:
        open_runtime(NEURON_RT_VISIBLE_CORES="0")
    assert failure.value.status is NrtStatus.LOAD_NOT_ENOUGH_NC


def test_viewers_see_visible_devices_and_who_uses_them(node):
    with (
        open_runtime(NEURON_RT_VISIBLE_CORES="0", NEURON_PROCESS_TAG="hidden"),
        open_runtime(NEURON_RT_VISIBLE_CORES="5", NEURON_PROCESS_TAG="shown"),
    ):
        write_visible(node / VISIBLE_FILE, (1,))
        snapshot = open_source().snapshot()
    assert [d.index for d in snapshot.devices] == [1]
    assert [r.tag for r in snapshot.runtimes] == ["shown"]


def test_a_hidden_device_is_not_reset(node):
    write_visible(node / VISIBLE_FILE, (1,))
    store = Datastore(node, writable=True)
    with pytest.raises(UsageError):
        reset_device(store, 0)
    assert reset_device(store, 1) == []
    store.close()


def test_the_list_goes_with_the_node(node):
    write_visible(node / VISIBLE_FILE, (0,))
    take_down()
    assert not node.exists()


@given(st.binary(max_size=40))
def test_any_list_is_read_or_refused(tmp_path_factory, content):
    root = tmp_path_factory.getbasetemp()
    (root / VISIBLE_FILE).write_bytes(content)
    try:
        visible = read_visible(root, 4)
    except DatastoreError as error:
        assert "\n" not in str(error)
    else:
        assert set(visible) <= {0, 1, 2, 3}
