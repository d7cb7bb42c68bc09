"""The device plugin as a process, driven by a kubelet on real sockets."""

import json
import random
import signal
import subprocess
import sys

import grpc
import pytest
from conftest import wait_for

from neuron_tools.kubernetes import names
from neuron_tools.kubernetes.names import CORE_RESOURCE, DEVICE_RESOURCE, RESOURCES
from neuron_tools.kubernetes.plugin.grants import Grants
from neuron_tools.kubernetes.plugin.node import Node
from neuron_tools.kubernetes.rehearsal.apiserver import ApiServer
from neuron_tools.kubernetes.rehearsal.kubelet import Container, Kubelet
from neuron_tools.kubernetes.silicon import INSTANCES, are_contiguous_cores, are_contiguous_devices
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.faults.ecc import MEM_UNCORRECTED, count_ecc
from runtime_core.driver.node import set_up, take_down
from runtime_core.driver.reset import reset_device
from runtime_core.errors import NeuronError
from runtime_core.mirror.export import export_tree
from runtime_core.mirror.reader import TreeReader

RING = INSTANCES["inf1.24xlarge"]


@pytest.fixture
def kubelet():
    double = Kubelet()
    yield double
    double.close()


@pytest.fixture
def big_node(root):
    set_up(root, type_name="inf1.24xlarge")
    return root


@pytest.fixture
def start(kubelet, tmp_path):
    processes = []

    def start_plugin(*more):
        command = [sys.executable, "-m", "neuron_tools.kubernetes.plugin", "--period", "0.2"]
        command += ["--kubelet-dir", str(kubelet.plugin_dir), "--pod-resources-socket", str(kubelet.pod_resources)]
        command += ["--state-dir", str(tmp_path / "state"), *more]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        return process

    yield start_plugin
    for process in processes:
        process.kill()
        process.communicate()


def test_both_resources_are_offered_with_their_numa_nodes(kubelet, big_node, start):
    start()
    assert kubelet.wait_for(*RESOURCES)
    assert list(kubelet.plugins[CORE_RESOURCE].health) == [str(i) for i in range(64)]
    assert kubelet.plugins[DEVICE_RESOURCE].numa["0"] == [0]
    assert kubelet.plugins[DEVICE_RESOURCE].numa["15"] == [1]
    options = kubelet.plugins[DEVICE_RESOURCE].request.options
    assert options.get_preferred_allocation_available
    assert not options.pre_start_required


def test_a_container_gets_the_node_and_just_its_devices_and_cores(kubelet, big_node, start):
    start("--resource", "neuroncore")
    assert kubelet.wait_for(CORE_RESOURCE)
    grant = kubelet.allocate(CORE_RESOURCE, ["5", "6"])
    assert dict(grant.envs) == {
        "NEURON_SIM_ROOT": "/run/neuron-sim",
        "AWS_NEURON_VISIBLE_DEVICES": "1",
        "NEURON_RT_VISIBLE_CORES": "5,6",
    }
    whole, visible = grant.mounts
    assert (whole.host_path, whole.container_path) == (str(big_node), "/run/neuron-sim")
    assert (visible.container_path, visible.read_only) == ("/run/neuron-sim/visible-devices", True)
    with open(visible.host_path) as file:
        assert file.read().strip() == "1"


def test_cdi_devices_are_named_and_described(kubelet, big_node, start, tmp_path):
    start("--cdi-dir", str(tmp_path / "cdi"))
    assert kubelet.wait_for(*RESOURCES)
    grant = kubelet.allocate(DEVICE_RESOURCE, ["2", "3"])
    assert [device.name for device in grant.cdi_devices] == ["aws.amazon.com/neuron=2", "aws.amazon.com/neuron=3"]
    written = json.loads((tmp_path / "cdi/aws.amazon.com-neuron.json").read_text())
    assert written["kind"] == "aws.amazon.com/neuron"
    assert [device["name"] for device in written["devices"]] == [str(i) for i in range(16)]


def test_silicon_that_one_resource_sold_is_not_to_be_had_through_the_other(kubelet, big_node, start):
    start()
    assert kubelet.wait_for(*RESOURCES)
    kubelet.held[Container("a"), CORE_RESOURCE] = ["4", "5"]
    kubelet.allocate(CORE_RESOURCE, ["4", "5"])
    assert kubelet.plugins[DEVICE_RESOURCE].wait(lambda health: health["1"] == "Unhealthy")
    with pytest.raises(grpc.RpcError) as refused:
        kubelet.allocate(DEVICE_RESOURCE, ["1"])
    assert "NeuronCore 4 is already allocated as aws.amazon.com/neuroncore" in refused.value.details()
    kubelet.end("a")
    assert kubelet.plugins[DEVICE_RESOURCE].wait(lambda health: health["1"] == "Healthy")
    kubelet.allocate(DEVICE_RESOURCE, ["1"])


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (["0", "2", "4"], "not contiguous"),
        (["16"], "not an id of this node"),
        (["-1"], "not an id of this node"),
        (["neuron0"], "not an id of this node"),
        (["01"], "not an id of this node"),
        (["3", "3"], "twice"),
        ([], "no Neuron Devices"),
        (["9" * 5000], "not an id of this node"),
    ],
)
def test_what_cannot_be_handed_out_is_refused_in_one_line(kubelet, big_node, start, ids, words):
    process = start("--resource", "neuron")
    assert kubelet.wait_for(DEVICE_RESOURCE)
    with pytest.raises(grpc.RpcError) as refused:
        kubelet.allocate(DEVICE_RESOURCE, ids)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert words in refused.value.details()
    assert "\n" not in refused.value.details()
    assert process.poll() is None


def test_bytes_that_are_no_message_are_refused(kubelet, big_node, start):
    start("--resource", "neuron")
    assert kubelet.wait_for(DEVICE_RESOURCE)
    with pytest.raises(grpc.RpcError) as refused:
        kubelet.plugins[DEVICE_RESOURCE].call("Allocate", b"\xff\xff\xff")
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_health_follows_ecc_and_a_reset_and_a_node_that_is_gone(kubelet, big_node, start):
    start()
    assert kubelet.wait_for(*RESOURCES)
    store = Datastore(big_node, writable=True)
    count_ecc(store, 3, MEM_UNCORRECTED, 1)
    assert kubelet.plugins[DEVICE_RESOURCE].wait(lambda health: health["3"] == "Unhealthy")
    assert kubelet.plugins[CORE_RESOURCE].wait(lambda health: list(health.values()).count("Unhealthy") == 4)
    assert kubelet.plugins[CORE_RESOURCE].health["12"] == "Unhealthy"
    reset_device(store, 3)
    assert kubelet.plugins[DEVICE_RESOURCE].wait(lambda health: set(health.values()) == {"Healthy"})
    store.close()


def test_a_kubelet_that_restarts_is_registered_with_again(kubelet, big_node, start):
    process = start()
    assert kubelet.wait_for(*RESOURCES)
    for _ in range(3):
        kubelet.restart()
        assert kubelet.wait_for(*RESOURCES)
        assert len(kubelet.admit(Container("p"), CORE_RESOURCE, 2)[1]) == 2
        kubelet.end("p")
    process.send_signal(signal.SIGHUP)
    assert kubelet.wait_for_registrations(10)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert sorted(path.name for path in kubelet.plugin_dir.iterdir()) == ["kubelet.sock"]


def test_the_plugin_starts_before_the_kubelet(kubelet, big_node, start):
    kubelet.stop()
    (kubelet.plugin_dir / "kubelet.sock").unlink(missing_ok=True)
    process = start()
    assert process.poll() is None
    kubelet.start()
    assert kubelet.wait_for(*RESOURCES)


def test_200_random_pods_never_share_a_core(kubelet, big_node, start):
    start()
    assert kubelet.wait_for(*RESOURCES)
    chance = random.Random(7)
    live, admitted = [], 0
    for number in range(200):
        resource = chance.choice(RESOURCES)
        count = chance.choice([1, 1, 2, 3, 4, 8] if resource == CORE_RESOURCE else [1, 1, 2, 3, 4])
        pod = f"pod-{number}"
        try:
            _, given = kubelet.admit(Container(pod), resource, count)
        except NeuronError:
            pass
        else:
            admitted += 1
            live.append(pod)
            contiguous = are_contiguous_cores if resource == CORE_RESOURCE else are_contiguous_devices
            assert contiguous(RING, given)
        cores = [
            core
            for (_, name), ids in kubelet.held.items()
            for index in map(int, ids)
            for core in ([index] if name == CORE_RESOURCE else RING.cores_of(index))
        ]
        assert len(cores) == len(set(cores))
        if number % 60 == 59:
            kubelet.restart()
            assert kubelet.wait_for(*RESOURCES)
        while live and chance.random() < 0.45:
            kubelet.end(live.pop(chance.randrange(len(live))))
    assert admitted > 100
    for pod in live:
        kubelet.end(pod)
    for resource in RESOURCES:
        # If a pod ended before it was listed, its ids are free again after a grace period.
        assert kubelet.plugins[resource].wait(lambda health: set(health.values()) == {"Healthy"}, seconds=40)


def test_a_node_that_was_set_up_anew_with_more_devices_ends_the_plugin(kubelet, start, root):
    set_up(root, type_name="inf1.xlarge")
    process = start()
    assert kubelet.wait_for(*RESOURCES)
    take_down(root)
    set_up(root, type_name="inf1.6xlarge")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Neuron Device 1 with 4 NeuronCores is new" in errors.splitlines()[-1]


def test_a_node_that_is_not_there_and_a_folder_that_is_not_there(kubelet, start, root):
    process = start()
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "Traceback" not in errors
    set_up(root, type_name="inf1.xlarge")
    process = start("--kubelet-dir", "/nonexistent")
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "/nonexistent" in errors.splitlines()[-1]
    assert "Traceback" not in errors


def annotated(name, resource, count, ids, moment):
    container = {"name": "main", "resources": {"limits": {resource: str(count)}}}
    notes = {names.IDS: ids, names.ALLOCATED: "false", names.ALLOCATION_TIME: str(moment), "other": "kept"}
    return {
        "metadata": {"name": name, "namespace": "default", "annotations": notes},
        "spec": {"nodeName": "n", "containers": [container]},
        "status": {"phase": "Pending"},
    }


def test_what_the_scheduler_chose_is_preferred_and_noted(kubelet, big_node, start):
    api = ApiServer()
    api.store.add("nodes", {"metadata": {"name": "n"}})
    api.store.add("pods", annotated("late", DEVICE_RESOURCE, 2, "4,5", 2))
    api.store.add("pods", annotated("early", DEVICE_RESOURCE, 2, "8,9", 1))
    start("--node-name", "n", "--server", api.url)
    assert kubelet.wait_for(*RESOURCES)
    free = kubelet.free(DEVICE_RESOURCE)
    wait_for(lambda: kubelet.preferred(DEVICE_RESOURCE, free, 2) == ["8", "9"], what="the copy of the pods")
    assert kubelet.admit(Container("early"), DEVICE_RESOURCE, 2)[1] == [8, 9]
    assert kubelet.admit(Container("late"), DEVICE_RESOURCE, 2)[1] == [4, 5]

    def notes(name):
        return api.store.get("pods", ("default", name))["metadata"]["annotations"]

    wait_for(lambda: notes("late")[names.ALLOCATED] == notes("early")[names.ALLOCATED] == "true", what="the notes")
    assert notes("late")["other"] == "kept"
    api.store.add("pods", annotated("third", DEVICE_RESOURCE, 1, "0", 3))
    wait_for(lambda: kubelet.preferred(DEVICE_RESOURCE, kubelet.free(DEVICE_RESOURCE), 1) == ["0"], what="the pod")
    kubelet.allocate(DEVICE_RESOURCE, ["12"])
    wait_for(lambda: notes("third")[names.IDS] == "12", what="the ids that the kubelet chose")
    api.close()


def test_a_kubelet_that_answers_garbage_or_nothing_ends_nothing(big_node, start, kubelet):
    answers = (b"\xff\xff\xff\xff", None, b"\x0a\x05\xff\xff\xff\xff\xff", b"")
    asked = []

    def odd_list(_raw, context):
        answer = answers[len(asked) % len(answers)]
        asked.append(answer)
        if answer is None:
            context.abort(grpc.StatusCode.INTERNAL, "busy \x1b[2J")
        return answer

    kubelet.stop()
    server = kubelet._server(kubelet.pod_resources, "v1.PodResourcesLister", "List", odd_list)
    registry = kubelet._server(
        kubelet.plugin_dir / "kubelet.sock", "v1beta1.Registration", "Register", lambda *_: b"\xff"
    )
    process = start()
    wait_for(lambda: len(asked) > 2 * len(answers), what="the odd answers")
    assert process.poll() is None
    for each in (server, registry):
        each.stop(0).wait()
    kubelet.start()
    assert kubelet.wait_for(*RESOURCES)


def test_a_kubelet_that_refuses_the_registration_is_asked_again(big_node, start, kubelet):
    refused = []
    register = kubelet._register

    def refuse_twice(raw, context):
        if len(refused) < 2:
            refused.append(raw)
            context.abort(grpc.StatusCode.UNAVAILABLE, "not ready")
        return register(raw, context)

    kubelet._register = refuse_twice
    kubelet.restart()
    start()
    assert kubelet.wait_for(*RESOURCES)
    assert len(refused) == 2


def test_a_real_node_gives_device_files_and_relative_cores(tmp_path):
    node = Node(RING, {}, None, "2.12.14")
    grants = Grants(node, tmp_path, dev=tmp_path)
    grant = grants.grant(CORE_RESOURCE, [12, 13])
    assert grant.devices == ((str(tmp_path / "neuron3"), "/dev/neuron0"),)
    assert grant.envs == {"NEURON_RT_VISIBLE_CORES": "0,1"}
    assert grant.mounts == ()
    whole = grants.grant(DEVICE_RESOURCE, [3, 4])
    assert [file.container_path for file in whole.devices] == ["/dev/neuron0", "/dev/neuron1"]
    assert whole.envs == {}
    older = Grants(node._replace(driver_version="2.11.9"), tmp_path, dev=tmp_path).grant(CORE_RESOURCE, [12, 13])
    assert older.devices[0].container_path == "/dev/neuron3"
    assert older.envs == {"NEURON_RT_VISIBLE_CORES": "12,13"}


def test_the_devices_of_a_drivers_tree_are_offered(big_node, start, kubelet, tmp_path):
    reader = TreeReader(big_node)
    export_tree(reader.look(), tmp_path / "tree")
    reader.close()
    start("--source", f"sysfs:{tmp_path / 'tree'}")
    assert kubelet.wait_for(*RESOURCES)
    assert len(kubelet.plugins[DEVICE_RESOURCE].health) == 16
    grant = kubelet.allocate(DEVICE_RESOURCE, ["15", "0"])
    assert [file.host_path for file in grant.devices] == ["/dev/neuron0", "/dev/neuron15"]
