"""Two resources on the same hardware: no core is allocated twice, even if the kubelet's list is late."""

import pytest

from neuron_tools.kubernetes.names import CORE_RESOURCE, DEVICE_RESOURCE
from neuron_tools.kubernetes.plugin.ledger import GRACE_SECONDS, Ledger, TakenError
from neuron_tools.kubernetes.silicon import INSTANCES

DEVICE_0 = [(DEVICE_RESOURCE, [0])]
CORE_0 = [(CORE_RESOURCE, [0])]


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        self.now += 0.001
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(clock):
    return Ledger(INSTANCES["inf1.xlarge"], clock)


def test_a_core_that_a_new_pod_took_is_not_free_because_the_old_pod_s_end_is_listed(ledger, clock):
    ledger.allocate(CORE_RESOURCE, [0])
    ledger.reconcile(CORE_0, clock())
    ledger.allocate(CORE_RESOURCE, [0])  # the pod has ended, the kubelet gave its core to the next one
    ledger.reconcile([], clock())  # but does not list it yet
    with pytest.raises(TakenError):
        ledger.allocate(DEVICE_RESOURCE, [0])


def test_an_answer_that_is_older_than_an_allocation_takes_nothing_from_it(ledger, clock):
    ledger.allocate(DEVICE_RESOURCE, [0])
    asked = clock()
    ledger.reconcile([], clock())
    clock.now += GRACE_SECONDS
    ledger.allocate(CORE_RESOURCE, [0])
    ledger.reconcile(DEVICE_0, asked)  # queried before the device's pod ended
    ledger.reconcile([], clock())
    with pytest.raises(TakenError):
        ledger.allocate(DEVICE_RESOURCE, [0])


def test_a_listed_pod_that_ends_frees_its_cores_at_once(ledger, clock):
    ledger.allocate(CORE_RESOURCE, [0])
    ledger.reconcile(CORE_0, clock())
    ledger.reconcile([], clock())
    ledger.allocate(DEVICE_RESOURCE, [0])


def test_a_pod_that_is_never_listed_frees_its_cores_after_a_while(ledger, clock):
    ledger.allocate(CORE_RESOURCE, [0])
    ledger.reconcile([], clock())
    with pytest.raises(TakenError):
        ledger.allocate(DEVICE_RESOURCE, [0])
    clock.now += GRACE_SECONDS
    ledger.allocate(DEVICE_RESOURCE, [0])
