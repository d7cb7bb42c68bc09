"""Faults of the node reach clients of neuron-rtd as NERR codes, and its counters."""

import time

import pytest
from chains import chain, chain_input

from runtime_core.driver.datastore import Datastore
from runtime_core.driver.faults.slots import clear, inject
from runtime_core.driver.faults.spec import FaultKind, FaultSpec
from runtime_core.rtd.proto import nmgr_counters_pb2
from runtime_core.rtd.status import RtdError, nerr_of
from runtime_core.status import Nerr, NrtStatus

X = {"x": chain_input().tobytes()}


@pytest.fixture
def broken(node):
    """Inject faults into the node; they are cleared after the test."""
    store = Datastore(node, writable=True)
    yield lambda kind, **how: inject(store, FaultSpec(kind, **how), time.monotonic_ns())
    clear(store)
    store.close()


def code_of(call, *arguments):
    with pytest.raises(RtdError) as caught:
        call(*arguments)
    return caught.value.code


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (FaultKind.NAN, Nerr.INFER_COMPLETED_WITH_NUM_ERR),
        (FaultKind.MEM_ECC_UNCORRECTED, Nerr.HW_ERROR),
        (FaultKind.QUEUE_OVERFLOW, Nerr.QUEUE_FULL),
        (FaultKind.DEVICE_LOST, Nerr.HW_ERROR),
    ],
)
def test_an_inference_on_a_broken_node(client, broken, kind, code):
    network = client.load(chain())
    good = client.infer(network, X)
    how = {"times": 1} if kind is FaultKind.MEM_ECC_UNCORRECTED else {}
    broken(kind, **how)
    assert code_of(client.infer, network, X) is code
    counters = client.counters().nmgr_counters
    assert sum(c.count for c in counters.infer_error_subtype_count) == 1
    if how:
        assert client.infer(network, X) == good


def test_uncorrected_errors_stand_in_the_hardware_counters(client, broken):
    from runtime_core.rtd.proto import common_pb2

    network = client.load(chain())
    broken(FaultKind.MEM_ECC_UNCORRECTED, times=1)
    assert code_of(client.infer, network, X) is Nerr.HW_ERROR
    answer = client.call("get_all_hw_counters", common_pb2.empty(), nmgr_counters_pb2.get_all_hw_counters_response)
    assert [c.mem_ecc_uncorr for c in answer.counters] == [1]


def test_a_load_on_a_full_device(client, broken):
    broken(FaultKind.DRAM_FULL)
    assert code_of(client.load, chain()) is Nerr.RESOURCE
    assert client.groups() == []


def test_a_daemon_does_not_start_on_a_lost_device(start_daemon, broken):
    broken(FaultKind.DEVICE_LOST, devices=(1,))
    with pytest.raises(RtdError, match="Neuron Device 1 not found"):
        start_daemon(devices=(1,))
    start_daemon(devices=(0,))


@pytest.mark.parametrize("status", NrtStatus)
def test_every_status_has_a_code_and_only_success_is_ok(status):
    assert (nerr_of(status) is Nerr.OK) == (status is NrtStatus.SUCCESS)
