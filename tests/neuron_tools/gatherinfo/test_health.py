"""The verdict for schedulers: one line and an exit status."""

import json

from neuron_tools.gatherinfo.health import show_health
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.faults import slots
from runtime_core.driver.faults.ecc import MEM_UNCORRECTED, count_ecc
from runtime_core.driver.faults.spec import FaultSpec
from runtime_core.driver.faults.table import FaultKind


def test_a_healthy_node(node, capsys):
    assert show_health(f"sim:{node}", as_json=False, seconds=0.02) == 0
    assert capsys.readouterr().out == "healthy\n"


def test_a_lost_device_is_unhealthy(node, capsys):
    store = Datastore(node, writable=True)
    slots.inject(store, FaultSpec(FaultKind.DEVICE_LOST, (1,)), 0)
    assert show_health(f"sim:{node}", as_json=False, seconds=0.02) == 1
    assert capsys.readouterr().out.startswith("unhealthy: ND1 lost")
    assert show_health(f"sim:{node}", as_json=True, seconds=0.02) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["healthy"], found["verdicts"][0]["kind"]) == (False, "device-lost")
    store.close()


def test_uncorrected_errors_from_before_are_unhealthy(node, capsys):
    store = Datastore(node, writable=True)
    count_ecc(store, 0, MEM_UNCORRECTED, 2)
    assert show_health(f"sim:{node}", as_json=False, seconds=0.02) == 1
    assert capsys.readouterr().out == "unhealthy: ND0 ECC uncorrected 2\n"
    assert show_health(f"sim:{node}", as_json=True, seconds=0.02) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["healthy"], found["verdicts"][0]["severity"]) == (False, "critical")
    store.close()


def test_no_node_is_unhealthy(root, capsys):
    assert show_health(f"sim:{root}", as_json=False, seconds=0.02) == 1
    assert capsys.readouterr().out.startswith("unhealthy: ")
