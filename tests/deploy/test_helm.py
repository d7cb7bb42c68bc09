"""With every combination of options, Helm renders the chart to manifests that match the API and each other."""

import itertools
import json
import shutil
import subprocess

import kubernetes_validate
import pytest
import yaml
from typer.testing import CliRunner

from neuron_monitor.cli import app as monitor
from neuron_tools.kubernetes.detector.cli import app as detector
from neuron_tools.kubernetes.names import DEVICE_RESOURCES, RESOURCES
from neuron_tools.kubernetes.plugin.cli import app as plugin
from neuron_tools.kubernetes.scheduler.cli import app as scheduler

API_VERSION = "1.31"
PARTS = ("devicePlugin", "scheduler", "npd", "monitor")
COMMANDS = {
    "neuron-monitor": monitor,
    "neuron-device-plugin": plugin,
    "neuron-scheduler": scheduler,
    "neuron-problem-detector": detector,
}


def workloads(manifests):
    return [m for m in manifests if m["kind"] in ("DaemonSet", "Deployment")]


def test_it_is_clean(helm, deploy):
    done = subprocess.run([helm, "lint", "--strict", str(deploy / "helm/neuron-tools")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("flag", "setting", "place"),
    [
        ("--set-string", "simulated.enabled=false", "/simulated/enabled"),
        ("--set", "neuronInstances=inf1.xlarge", "/neuronInstances"),
        ("--set", "scheduler.port=abc", "/scheduler/port"),
        ("--set", "scheduler.replicaCount=-1", "/scheduler/replicaCount"),
        ("--set", "simulated.instanceType=inf2.xlarge", "/simulated/instanceType"),
        ("--set", "devicePlugin.resources={gpu}", "/devicePlugin/resources"),
        ("--set", "npd.nodeRecovery=true", "/npd/nodeRecovery"),
        ("--set", "monitor.prot=8001", "prot"),
        ("--set", "foo.bar=1", "foo"),
    ],
)
def test_values_of_a_wrong_type_or_name_are_refused(helm, deploy, flag, setting, place):
    command = [helm, "template", "neuron-tools", str(deploy / "helm/neuron-tools"), flag, setting]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stdout[:500]
    assert place.replace("/", ".").lstrip(".") in done.stderr.replace("/", "."), done.stderr


@pytest.mark.parametrize("simulated", [False, True])
def test_every_manifest_fits_the_schema(render, simulated):
    manifests = render(
        f"simulated.enabled={str(simulated).lower()}", "npd.nodeRecovery.enabled=true", "simulated.nodeSelector.a=b"
    )
    assert len(manifests) > 20
    for manifest in manifests:
        kubernetes_validate.validate(manifest, API_VERSION, strict=True)


def test_what_the_prometheus_operator_reads_is_whole(render):
    manifests = render("monitor.serviceMonitor.enabled=true", "rules.operator=true")
    rules = [m for m in manifests if m["kind"] == "PrometheusRule"]
    assert {m["metadata"]["name"] for m in rules} == {"neuron-alerts", "neuron-fleet", "neuron-recordings"}
    assert all(m["spec"]["groups"] for m in rules)
    assert any(m["kind"] == "ServiceMonitor" for m in manifests)


def test_parts_are_switched_off_one_by_one(render):
    for off in itertools.combinations(PARTS, 3):
        manifests = render(*(f"{part}.enabled=false" for part in off))
        assert workloads(manifests)
        for manifest in manifests:
            kubernetes_validate.validate(manifest, API_VERSION, strict=True)


def test_dashboards_and_rules_are_the_shipped_ones(render, deploy):
    manifests = {m["metadata"]["name"]: m for m in render() if m["kind"] == "ConfigMap"}
    for path in (deploy.parent / "dashboards/json").glob("*.json"):
        shown = manifests[f"{path.stem}-dashboard"]["data"][path.name]
        assert json.loads(shown) == json.loads(path.read_text())
    for path in (deploy.parent / "dashboards/rules").glob("*.yml"):
        assert yaml.safe_load(manifests["neuron-rules"]["data"][path.name]) == yaml.safe_load(path.read_text())


@pytest.mark.parametrize("simulated", ["true", "false"])
def test_no_container_has_a_privilege(render, simulated):
    for workload in workloads(render(f"simulated.enabled={simulated}")):
        spec = workload["spec"]["template"]["spec"]
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert "hostNetwork" not in spec
        for container in [*spec["containers"], *spec.get("initContainers", ())]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "privileged": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_every_command_line_is_one_that_the_suite_takes(render):
    seen = set()
    for settings in (("simulated.enabled=true",), ("npd.nodeRecovery.enabled=true",)):
        for workload in workloads(render(*settings)):
            for container in workload["spec"]["template"]["spec"]["containers"]:
                program, *arguments = container["command"]
                if program in COMMANDS:
                    seen.add(program)
                    help_text = CliRunner().invoke(COMMANDS[program], ["--help"], env={"COLUMNS": "200"}).output
                    for argument in arguments:
                        name = argument.partition("=")[0]
                        assert not name.startswith("--") or name in help_text, f"{program} has no {name}"
    assert seen == COMMANDS.keys()


def test_the_extender_is_told_of_every_resource_and_found_under_its_name(render):
    manifests = render()
    config = next(m for m in manifests if m["kind"] == "ConfigMap" and m["metadata"]["name"] == "my-scheduler")
    (extender,) = yaml.safe_load(config["data"]["config.yaml"])["extenders"]
    assert {r["name"] for r in extender["managedResources"]} == {*RESOURCES, *DEVICE_RESOURCES}
    service = next(m for m in manifests if m["kind"] == "Service" and m["metadata"]["name"] == "k8s-neuron-scheduler")
    port = service["spec"]["ports"][0]["port"]
    assert extender["urlPrefix"] == f"http://k8s-neuron-scheduler.kube-system.svc.cluster.local:{port}"
    assert (extender["filterVerb"], extender["bindVerb"], extender["nodeCacheCapable"]) == ("filter", "bind", True)


def test_a_role_allows_what_its_program_does_and_no_more(render):
    roles = {m["metadata"]["name"]: m["rules"] for m in render() if m["kind"] == "ClusterRole"}
    assert roles["neuron-problem-detector"] == [
        {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
    ]
    assert all(verb != "*" for rules in roles.values() for rule in rules for verb in rule["verbs"])


def test_what_kubectl_applies_is_what_the_chart_renders(helm, deploy, tmp_path):
    subprocess.run(
        [str(deploy / "helm/render"), str(tmp_path)], env={"HELM": helm, "PATH": "/usr/bin:/bin"}, check=True
    )
    for path in sorted((deploy / "kustomize").glob("*/all.yaml")):
        made = tmp_path / path.relative_to(deploy / "kustomize")
        assert made.read_text() == path.read_text(), f"{path}: run deploy/helm/render"


@pytest.mark.parametrize("folder", ["deploy/kustomize/real", "deploy/kustomize/simulated", "dashboards"])
def test_kustomize_takes_it(deploy, folder):
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is missing: apt-get install kubernetes-client")
    done = subprocess.run([kubectl, "kustomize", str(deploy.parent / folder)], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(list(yaml.safe_load_all(done.stdout))) > 2
