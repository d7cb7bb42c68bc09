"""Derive the users of cores and devices from the kubelet's allocations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuron_monitor.k8s.users import users
from neuron_monitor.report import CoreUser
from runtime_core.telemetry.kubelet.holdings import Holding

CORE, DEVICE = "aws.amazon.com/neuroncore", "aws.amazon.com/neuron"


def holding(pod, ids, resource=CORE, container="main", namespace="default"):
    return Holding(pod, namespace, container, resource, tuple(ids))


def test_a_pods_cores_and_the_device_that_it_has_to_itself():
    known = users([holding("web", ["4", "5"])], 4, 4)
    assert known.cores == {"4": CoreUser("web", "default", ["main"]), "5": CoreUser("web", "default", ["main"])}
    assert known.devices == {"1": CoreUser("web", "default", ["main"])}
    assert known.problems == ()


@pytest.mark.parametrize("resource", [DEVICE, "aws.amazon.com/neurondevice"])
def test_a_device_is_all_its_cores(resource):
    known = users([holding("web", ["neuron2"], resource)], 4, 4)
    assert list(known.cores) == ["8", "9", "10", "11"]
    assert list(known.devices) == ["2"]


def test_containers_of_a_pod_are_listed_together():
    known = users([holding("web", ["0"], container="b"), holding("web", ["1"], container="a")], 1, 4)
    assert known.devices["0"].container_name == ["a", "b"]
    assert known.cores["1"].container_name == ["a"]


def test_a_device_that_pods_share_is_told_by_its_cores_alone():
    known = users([holding("web", ["0"]), holding("batch", ["1"]), holding("batch", ["4"])], 2, 4)
    assert {core: user.pod_name for core, user in known.cores.items()} == {"0": "web", "1": "batch", "4": "batch"}
    assert list(known.devices) == ["1"]


def test_what_cannot_be_understood_is_said_and_the_rest_goes_on():
    given_ids = [holding("web", ["0", "0-1", "x", "99"]), holding("batch", ["0"]), holding("batch", ["1"])]
    known = users(given_ids, 1, 4)
    assert list(known.cores) == ["1"]
    assert [part in " ".join(known.problems) for part in ("'0-1'", "'x'", "NeuronCore 99", "several pods")] == [
        True
    ] * 4


def test_other_resources_are_nobodys_business():
    assert users([holding("web", ["gpu-1"], "nvidia.com/gpu")], 4, 4) == ({}, {}, ())


@given(
    st.lists(
        st.builds(
            Holding,
            st.sampled_from(["web", "batch"]),
            st.just("default"),
            st.sampled_from(["a", "b"]),
            st.sampled_from([CORE, DEVICE, "other"]),
            st.lists(st.one_of(st.text(max_size=5), st.integers(0, 20).map(str)), max_size=4).map(tuple),
        ),
        max_size=8,
    ),
    st.integers(0, 4),
)
def test_every_entry_is_on_the_node_whatever_the_kubelet_says(holdings, device_count):
    known = users(holdings, device_count, 4)
    assert all(0 <= int(core) < 4 * device_count for core in known.cores)
    assert all(0 <= int(device) < device_count for device in known.devices)
    assert all(user.container_name for user in (*known.cores.values(), *known.devices.values()))
