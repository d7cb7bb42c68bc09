"""The Kubernetes manifests match the API's schema and each other, and their commands run."""

import json

import kubernetes_validate
import pytest
import yaml

from neuron_monitor.config import default_config, parse_config
from runtime_core.instance import INSTANCE_TYPES

API_VERSION = "1.31"


@pytest.fixture
def manifests(deploy):
    """Kind -> manifest, of all manifests in the kustomization."""
    folder = deploy / "kubernetes"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == sorted(p.name for p in folder.glob("*.yaml") if p.name != "kustomization.yaml")
    found = [document for name in listed for document in yaml.safe_load_all((folder / name).read_text())]
    return {document["kind"]: document for document in found}


@pytest.fixture
def pod(manifests):
    return manifests["DaemonSet"]["spec"]["template"]


@pytest.fixture
def container(pod):
    (only,) = pod["spec"]["containers"]
    return only


def test_each_fits_the_schema_of_the_api(manifests):
    checked = [m for m in manifests.values() if not m["apiVersion"].startswith("monitoring.coreos.com/")]
    assert len(checked) == 6
    assert manifests.keys() - {m["kind"] for m in checked} == {"ServiceMonitor", "PrometheusRule"}
    for manifest in checked:
        kubernetes_validate.validate(manifest, API_VERSION, strict=True)


def test_the_schema_would_find_a_field_that_is_not_there(manifests):
    manifest = manifests["DaemonSet"]
    manifest["spec"]["template"]["spec"]["containers"][0]["readonlyRootFilesystem"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, API_VERSION, strict=True)


def test_it_runs_without_any_privilege(pod, container):
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert pod["spec"]["securityContext"]["runAsUser"] > 0
    assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert "hostNetwork" not in pod["spec"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "privileged": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all(mount["readOnly"] for mount in container["volumeMounts"])
    assert not [volume for volume in pod["spec"]["volumes"] if "hostPath" in volume]
    assert container["resources"]["limits"]["memory"]


def test_it_runs_on_every_size_of_inf1_and_nowhere_else(pod):
    (term,) = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    (expression,) = term["matchExpressions"]
    assert sorted(expression["values"]) == sorted(INSTANCE_TYPES)


def test_labels_and_ports_lead_from_the_servicemonitor_to_the_pods(manifests, pod, container):
    labels = pod["metadata"]["labels"]
    service, monitor, policy = (manifests[kind] for kind in ("Service", "ServiceMonitor", "NetworkPolicy"))
    assert manifests["DaemonSet"]["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert service["spec"]["selector"].items() <= labels.items()
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    (service_port,) = service["spec"]["ports"]
    (port,) = container["ports"]
    assert endpoint["port"] == service_port["name"]
    assert service_port["targetPort"] == port["name"]
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    # The service's name becomes the job, which rules and dashboards use to select series.
    assert service["metadata"]["name"] == "neuron-monitor"
    assert monitor["spec"]["namespaceSelector"]["matchNames"] == [service["metadata"]["namespace"]]


def test_everything_is_in_one_namespace(manifests):
    (name,) = {m["metadata"]["namespace"] for kind, m in manifests.items() if kind != "Namespace"}
    assert manifests["Namespace"]["metadata"]["name"] == name


def test_its_configuration_asks_for_everything(manifests, deploy):
    (volume,) = manifests["DaemonSet"]["spec"]["template"]["spec"]["volumes"]
    assert volume["configMap"]["name"] == manifests["ConfigMap"]["metadata"]["name"]
    text = manifests["ConfigMap"]["data"]["monitor.json"]
    assert json.loads(text) == json.loads((deploy / "monitor.json").read_text())
    assert parse_config(text.encode(), "monitor.json") == default_config()


def test_the_container_runs_and_its_probes_answer(container, serve, deploy):
    arguments = [a.replace("/etc/neuron-monitor", str(deploy)) for a in container["args"]]
    fetch = serve(arguments)
    for probe in ("startupProbe", "livenessProbe"):
        assert fetch(container[probe]["httpGet"]["path"]) == 200
        assert container[probe]["httpGet"]["port"] == container["ports"][0]["name"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/-/ready"
    assert fetch("/metrics") == 200
