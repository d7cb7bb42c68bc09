"""Check pods against the restricted Pod Security Standard; each exception has a reason.

Source of the controls: https://kubernetes.io/docs/concepts/security/pod-security-standards/ (version 1.31).
"""

import pytest
import yaml

VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip

HOST_PIDS = "runtimes are named by the pids of the host, whose CPU times are in its /proc"
KUBELET = "the kubelet's sockets lie in folders of the host"
KUBELET_USER = "the kubelet's sockets belong to root; no capability is kept"
NODE = "the simulated node is a folder of the host, shared by all pods"
NODE_USER = "the simulated node belongs to the user of the pods that use it, by default root"
SYSFS = "a reset is written to the driver's files of the host"
SYSFS_USER = "only root may write the driver's files; no capability is kept"

REAL = {
    ("neuron-device-plugin", "hostPath"): KUBELET,
    ("neuron-device-plugin", "runAsNonRoot"): KUBELET_USER,
    ("neuron-device-plugin", "runAsUser"): KUBELET_USER,
    ("neuron-monitor", "hostPID"): HOST_PIDS,
    ("neuron-monitor", "hostPath"): KUBELET,
    ("neuron-monitor", "runAsNonRoot"): KUBELET_USER,
    ("neuron-monitor", "runAsUser"): KUBELET_USER,
}
RECOVERY = {
    ("neuron-problem-detector", "hostPath"): SYSFS,
    ("neuron-problem-detector", "runAsNonRoot"): SYSFS_USER,
    ("neuron-problem-detector", "runAsUser"): SYSFS_USER,
}
SIMULATED_FOLDERS = {
    ("neuron-device-plugin", "hostPath"): KUBELET,
    ("neuron-device-plugin", "runAsNonRoot"): KUBELET_USER,
    ("neuron-device-plugin", "runAsUser"): KUBELET_USER,
    ("neuron-monitor", "hostPID"): HOST_PIDS,
    **{(name, "hostPath"): NODE for name in ("neuron-monitor", "neuron-problem-detector", "neuron-simulated-node")},
}
SIMULATED = {
    **SIMULATED_FOLDERS,
    **{
        (name, control): NODE_USER
        for name in ("neuron-monitor", "neuron-problem-detector", "neuron-simulated-node")
        for control in ("runAsNonRoot", "runAsUser")
    },
}


def beyond(spec):
    """The controls of the restricted profile that a pod violates."""
    found = {name for name in ("hostPID", "hostIPC", "hostNetwork") if spec.get(name)}
    found |= {kind for volume in spec.get("volumes") or () for kind in volume.keys() - {"name"} if kind not in VOLUMES}
    pod = spec.get("securityContext", {})
    if pod.get("sysctls"):
        found.add("sysctls")
    for container in (*spec["containers"], *spec.get("initContainers", ()), *spec.get("ephemeralContainers", ())):
        own = container.get("securityContext", {})
        both = {**pod, **own}
        capabilities = own.get("capabilities", {})
        checks = {
            "privileged": not own.get("privileged"),
            "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
            "capabilities": capabilities.get("drop") == ["ALL"] and not capabilities.get("add"),
            "runAsNonRoot": both.get("runAsNonRoot") is True,
            "runAsUser": both.get("runAsUser") != 0,
            "seccompProfile": both.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
            "procMount": own.get("procMount", "Default") == "Default",
            "hostPort": not any(port.get("hostPort") for port in container.get("ports", ())),
            "seLinux": not both.get("seLinuxOptions"),
            "appArmor": both.get("appArmorProfile", {}).get("type", "RuntimeDefault") != "Unconfined",
            "hostProcess": not both.get("windowsOptions"),
            # Stricter than the profile: nothing is written into the image.
            "readOnlyRootFilesystem": own.get("readOnlyRootFilesystem") is True,
        }
        found |= {name for name, kept in checks.items() if not kept}
    return found


@pytest.mark.parametrize(
    ("settings", "exceptions"),
    [
        ((), REAL),
        (("npd.nodeRecovery.enabled=true",), {**REAL, **RECOVERY}),
        (("monitor.podLabels=false", "devicePlugin.enabled=false"), {("neuron-monitor", "hostPID"): HOST_PIDS}),
        (("simulated.enabled=true",), SIMULATED),
        (("simulated.enabled=true", "simulated.runAsUser=1000", "monitor.podLabels=false"), SIMULATED_FOLDERS),
    ],
)
def test_the_chart_needs_no_more_than_the_named_exceptions(render, settings, exceptions):
    found = {
        (manifest["metadata"]["name"], control)
        for manifest in render(*settings)
        if manifest["kind"] in ("DaemonSet", "Deployment")
        for control in beyond(manifest["spec"]["template"]["spec"])
    }
    assert found == set(exceptions)
    assert all(exceptions.values())


def test_the_daemonset_needs_the_pids_of_the_host_and_nothing_else(deploy):
    manifest = yaml.safe_load((deploy / "kubernetes/daemonset.yaml").read_text())
    assert beyond(manifest["spec"]["template"]["spec"]) == {"hostPID"}


@pytest.mark.parametrize(
    ("change", "control"),
    [
        ({"hostNetwork": True}, "hostNetwork"),
        ({"volumes": [{"name": "x", "hostPath": {"path": "/"}}]}, "hostPath"),
        ({"securityContext": {}}, "runAsNonRoot"),
        (
            {"containers": [{"securityContext": {"capabilities": {"drop": ["ALL"], "add": ["SYS_PTRACE"]}}}]},
            "capabilities",
        ),
        ({"containers": [{}]}, "allowPrivilegeEscalation"),
        ({"initContainers": [{"securityContext": {"privileged": True}}]}, "privileged"),
    ],
)
def test_a_planted_weakness_is_found(deploy, change, control):
    spec = yaml.safe_load((deploy / "kubernetes/daemonset.yaml").read_text())["spec"]["template"]["spec"]
    assert control not in beyond(spec)
    assert control in beyond({**spec, **change})
