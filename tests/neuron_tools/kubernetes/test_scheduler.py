"""The scheduler extension over a real API server on loopback, through the official client."""

import json
import random
import threading
import urllib.request

import pytest
from conftest import wait_for

from neuron_tools.kubernetes import names
from neuron_tools.kubernetes.cluster import ClusterError, OfficialCluster
from neuron_tools.kubernetes.informer import Informer
from neuron_tools.kubernetes.objects import PodObject, quantity
from neuron_tools.kubernetes.rehearsal.apiserver import ApiServer
from neuron_tools.kubernetes.rehearsal.store import Store
from neuron_tools.kubernetes.scheduler.extender import Extender
from neuron_tools.kubernetes.scheduler.http import ExtenderServer
from neuron_tools.kubernetes.silicon import INSTANCES, are_contiguous_cores, are_contiguous_devices

RESOURCES = (names.DEVICE_RESOURCE, names.CORE_RESOURCE)


def node(name, instance="inf1.24xlarge"):
    silicon = INSTANCES[instance]
    capacity = {names.DEVICE_RESOURCE: str(silicon.device_count), names.CORE_RESOURCE: str(silicon.core_count)}
    labels = {"node.kubernetes.io/instance-type": instance}
    return {"metadata": {"name": name, "labels": labels}, "status": {"capacity": capacity}}


def pod(name, resource=names.DEVICE_RESOURCE, count=1, **annotations):
    container = {"name": "main", "resources": {"limits": {resource: str(count)}}}
    meta = {"name": name, "namespace": "default", "annotations": {"k8s.ovn.org/pod-networks": "keep me", **annotations}}
    return {"metadata": meta, "spec": {"containers": [container]}, "status": {"phase": "Pending"}}


@pytest.fixture
def api():
    server = ApiServer()
    yield server
    server.close()


@pytest.fixture
def extender(api):
    made = Extender(OfficialCluster(api.url))
    assert made.start()
    yield made
    made.close()


@pytest.fixture
def ask(extender):
    server = ExtenderServer(extender, ("127.0.0.1", 0))

    def post(path, body):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = f"http://127.0.0.1:{server.server_address[1]}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, raw), timeout=10) as answer:
            return json.load(answer)

    yield post
    server.close()


def bind(ask, name, where):
    return ask("/bind", {"PodName": name, "PodNamespace": "default", "PodUID": "", "Node": where})["Error"]


def known(extender, count):
    wait_for(lambda: len(extender.nodes.objects) == count, what="the nodes")


def test_filter_and_bind_as_kube_scheduler_asks_them(api, extender, ask):
    api.store.add("nodes", node("a"))
    api.store.add("nodes", node("b", "inf1.xlarge"))
    known(extender, 2)
    api.store.add("pods", pod("p", count=3))
    answer = ask("/filter", {"Pod": pod("p", count=3), "Nodes": None, "NodeNames": ["a", "b", "c"]})
    assert answer["NodeNames"] == ["a"]
    assert answer["FailedNodes"] == {
        "b": "the node has 1 Neuron Devices, 3 requested",
        "c": "the node has no Neuron Devices",
    }
    assert answer["Nodes"] is None
    assert answer["Error"] == ""
    assert bind(ask, "p", "a") == ""
    bound = api.store.get("pods", ("default", "p"))
    assert bound["spec"]["nodeName"] == "a"
    annotations = bound["metadata"]["annotations"]
    assert annotations[names.IDS] == "0,1,2"
    assert annotations[names.ALLOCATED] == "false"
    assert annotations[names.ALLOCATION_TIME].isdigit()
    assert annotations["k8s.ovn.org/pod-networks"] == "keep me"
    wait_for(
        lambda: (
            api.store.get("nodes", ("", "a"))["metadata"].get("annotations", {}).get(names.DEVICE_USAGE, "")
            == ",".join(["true"] * 3 + ["false"] * 13)
        ),
        what="the usage map",
    )


def test_names_are_read_whatever_their_case(api, extender, ask):
    api.store.add("nodes", node("a"))
    known(extender, 1)
    answer = ask("/filter", {"pod": pod("p"), "nodenames": ["a"]})
    assert answer["NodeNames"] == ["a"]


def test_a_pod_that_asks_for_nothing_fits_everywhere(extender, ask):
    plain = {"metadata": {"name": "p", "namespace": "default"}, "spec": {"containers": [{"name": "main"}]}}
    assert ask("/filter", {"Pod": plain, "NodeNames": ["x", "y"]})["NodeNames"] == ["x", "y"]


def test_a_torus_refuses_numbers_that_it_does_not_support(api, extender, ask):
    api.store.add("nodes", node("t", "trn1.32xlarge"))
    known(extender, 1)
    answer = ask("/filter", {"Pod": pod("p", count=7), "NodeNames": ["t"]})
    assert answer["FailedNodes"] == {
        "t": "Instance type trn1.32xlarge does not support requests for device: 7. "
        "Please request a different number of devices."
    }


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"Pod": 3}', b'{"Pod": {"spec": []}}', b"[" * 10000])
def test_requests_that_make_no_sense_get_an_error_in_words(ask, body):
    answer = ask("/filter", body)
    assert answer["Error"]
    assert "Traceback" not in answer["Error"]
    assert ask("/bind", body)["Error"]


@pytest.mark.parametrize("wrong", [{"NodeNames": "a"}, {"NodeNames": [1]}, {"Nodes": [1]}, {"Nodes": {"items": 3}}])
def test_nodes_that_are_no_list_of_names_are_refused(ask, wrong):
    assert ask("/filter", {"Pod": pod("p"), **wrong})["Error"]


@pytest.mark.parametrize("count", ["one", "1.5", "-1", "", "1kk", "500m", "1e99", "nan"])
def test_requests_that_are_no_whole_number_are_refused(api, extender, ask, count):
    """If they counted as no request, the pod would fit on every node."""
    api.store.add("nodes", node("a"))
    known(extender, 1)
    error = ask("/filter", {"Pod": pod("p", count=count), "NodeNames": ["a"]})["Error"]
    assert repr(count) in error
    assert "main" in error
    api.store.add("pods", pod("p", count=count))
    assert repr(count) in bind(ask, "p", "a")


@pytest.mark.parametrize(
    ("text", "count"), [("1k", 1000), ("2e0", 2), ("1Ki", 1024), ("2000m", 2), ("16", 16), ("+1", 1)]
)
def test_whole_numbers_are_read_in_every_notation_of_kubernetes(text, count):
    assert quantity(text) == count


def test_a_pod_is_bound_once(api, extender, ask):
    """A second binding would change the ids of the pod, and give its devices to the next pod."""
    api.store.add("nodes", node("a", "inf1.6xlarge"))
    known(extender, 1)
    api.store.add("pods", pod("p"))
    assert bind(ask, "p", "a") == ""
    bound = lambda: api.store.get("pods", ("default", "p"))  # noqa: E731
    before = bound()["metadata"]["annotations"]
    for _ in range(3):
        assert "bound" in bind(ask, "p", "a")
        wait_for(lambda: extender.pods.objects["default", "p"].spec.nodeName == "a", what="the binding")
    assert bound()["metadata"]["annotations"] == before
    api.store.add("pods", pod("q", count=1))
    assert bind(ask, "q", "a") == ""
    ids = [api.store.get("pods", ("default", name))["metadata"]["annotations"][names.IDS] for name in "pq"]
    assert ids[0] != ids[1]


def test_usage_is_rebuilt_from_pods_at_a_start_and_stale_maps_do_not_count(api):
    stale = node("a", "inf1.6xlarge")
    stale["metadata"]["annotations"] = {names.DEVICE_USAGE: "true,true,true,true"}
    api.store.add("nodes", stale)
    taken = pod("old", count=2, **{names.IDS: "1,2"})
    taken["spec"]["nodeName"] = "a"
    taken["status"]["phase"] = "Running"
    api.store.add("pods", taken)
    extender = Extender(OfficialCluster(api.url))
    assert extender.start()
    maps = lambda: api.store.get("nodes", ("", "a"))["metadata"]["annotations"][names.DEVICE_USAGE]  # noqa: E731
    wait_for(lambda: maps() == "false,true,true,false", what="the map")
    api.store.remove("pods", ("default", "old"))
    wait_for(lambda: maps() == "false,false,false,false", what="the empty map")
    extender.close()


def test_a_binding_that_is_refused_takes_nothing(api, ask, extender, monkeypatch):
    def refuse(*_):
        raise ClusterError("binding: 409 already assigned", status=409)

    api.store.add("nodes", node("a", "inf1.xlarge"))
    known(extender, 1)
    api.store.add("pods", pod("p"))
    with monkeypatch.context() as patch:
        patch.setattr(OfficialCluster, "bind", refuse)
        assert "409" in bind(ask, "p", "a")
    assert "true" not in extender.usage.maps("a")[names.CORE_USAGE]
    assert bind(ask, "p", "a") == ""
    assert "false" not in extender.usage.maps("a")[names.CORE_USAGE]


def test_many_pods_at_once_get_cores_of_their_own(api, extender, ask):
    chance = random.Random(3)
    for name in ("a", "b"):
        api.store.add("nodes", node(name))
    known(extender, 2)
    wanted = {}
    for number in range(40):
        resource = chance.choice(RESOURCES)
        count = chance.choice([1, 2, 3] if resource == names.DEVICE_RESOURCE else [1, 2, 3, 4, 8])
        wanted[f"p{number}"] = (resource, count)
        api.store.add("pods", pod(f"p{number}", resource, count))

    def schedule(name):
        resource, count = wanted[name]
        fits = ask("/filter", {"Pod": pod(name, resource, count), "NodeNames": ["a", "b"]})["NodeNames"]
        if fits:
            bind(ask, name, random.choice(fits))

    threads = [threading.Thread(target=schedule, args=(name,)) for name in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    silicon = INSTANCES["inf1.24xlarge"]
    cores = []
    for item in api.store.all("pods"):
        where = item["spec"].get("nodeName")
        if where:
            resource, count = wanted[item["metadata"]["name"]]
            ids = [int(i) for i in item["metadata"]["annotations"][names.IDS].split(",")]
            assert len(ids) == count
            contiguous = are_contiguous_cores if resource == names.CORE_RESOURCE else are_contiguous_devices
            assert contiguous(silicon, ids)
            for index in ids:
                own = [index] if resource == names.CORE_RESOURCE else silicon.cores_of(index)
                cores += [(where, core) for core in own]
    assert len(cores) == len(set(cores)) > 64


def test_a_watch_that_breaks_at_random_places_loses_nothing():
    chance = random.Random(11)
    api = ApiServer(Store(history=50))
    seen = {}

    def changed(key, item):
        if item is None:
            seen.pop(key)
        else:
            seen[key] = (item.metadata.annotations or {}).get("n")

    informer = Informer(OfficialCluster(api.url), "pods", PodObject, changed)
    informer.start()
    for number in range(400):
        name = f"p{chance.randrange(30)}"
        try:
            if chance.random() < 0.3:
                api.store.remove("pods", ("default", name))
            else:
                patch = {"metadata": {"annotations": {"n": str(number)}}}
                api.store.change(
                    "pods", ("default", name), lambda item, p=patch: item["metadata"].update(p["metadata"])
                )
        except Exception:
            api.store.add("pods", pod(name, n=str(number)))
        if chance.random() < 0.05:
            api.break_watches()
        if chance.random() < 0.02:
            api.store.forget()
    truth = {("default", i["metadata"]["name"]): i["metadata"]["annotations"]["n"] for i in api.store.all("pods")}
    wait_for(lambda: seen == truth, what="the copy")
    informer.close()
    api.close()


def test_no_answer_is_an_error_with_the_address():
    cluster = OfficialCluster("http://127.0.0.1:9")
    with pytest.raises(ClusterError, match=r"listing pods: no answer"):
        cluster.list("pods")
