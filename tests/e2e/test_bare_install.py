"""Every command on an installation without extras: help, version, and a failing call with one line."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from bare_install import other_modules, run_bare
from console_scripts import SCRIPTS

pytestmark = pytest.mark.e2e
EXTRA = "pip install 'neuron-tools-sim[{}]'"
# A call, its exit status, and a part of its line on stderr.
FAILING = {
    "neuron-ls": [(["--source", "sysfs:/nowhere"], 1, "/nowhere")],
    "neuron-top": [
        (["--once", "--source", "sysfs:/nowhere"], 1, "/nowhere"),
        (["--serve"], 1, EXTRA.format("serve")),
    ],
    "neuron-monitor": [
        (["-c", "missing.conf"], 1, "missing.conf"),
        (["--prometheus", "--web.config.file", "{web}"], 1, EXTRA.format("web")),
        (["--otlp", "grpc://127.0.0.1:1"], 1, EXTRA.format("otel")),
    ],
    "neuron-monitor-prometheus.py": [(["--web.config.file", "{web}"], 1, EXTRA.format("web"))],
    "neuron-monitor-cloudwatch.py": [(["--namespace", "N", "--region", "r"], 1, EXTRA.format("cloudwatch"))],
    "neuron-monitor-k8s-info.py": [([], 1, EXTRA.format("k8s"))],
    "neuron-sim": [
        (["up", "--instance-type", "inf2.xlarge"], 2, "inf1.24xlarge"),
        (["scenario", "list"], 1, EXTRA.format("scenario")),
        (["scenario", "run", "x.yaml"], 1, EXTRA.format("scenario")),
        (["scenario", "check", "x.yaml"], 1, EXTRA.format("scenario")),
        (["demo"], 1, EXTRA.format("compiler")),
        (["run", "{onnx}"], 1, EXTRA.format("compiler")),
    ],
    "neuron-cc": [(["compile", "{onnx}"], 1, EXTRA.format("compiler"))],
    "neuron-bench": [(["{onnx}"], 1, EXTRA.format("compiler"))],
    "neuron-rtd": [(["-g", "unix:never.sock"], 1, EXTRA.format("rtd"))],
    "neuron-cli": [(["list-ncg"], 1, EXTRA.format("rtd"))],
    "neuron-oci-hook": [([], 2, "state")],
    "neuron-profile": [(["capture", "{neff}", "--tensorboard", "logs"], 1, EXTRA.format("profile"))],
    "neuron-device-plugin": [(["--kubelet-dir", "/nowhere", "--source", "sim"], 1, EXTRA.format("k8s"))],
    "neuron-scheduler": [(["--server", "http://127.0.0.1:1"], 1, EXTRA.format("k8s"))],
    "neuron-problem-detector": [(["--node-name", "n", "--server", "http://127.0.0.1:1"], 1, EXTRA.format("k8s"))],
    "neuron-tools": [(["export", "rules", "/proc/nowhere"], 1, "/proc/nowhere")],
    "neuron-gatherinfo": [(["--monitor", "no address"], 2, "HOST:PORT")],
}


@pytest.fixture(scope="session")
def blocked():
    return other_modules()


def test_what_is_blocked_is_what_extras_install(blocked):
    assert {"grpc", "onnx", "yaml", "promql_parser", "boto3", "google"} <= set(blocked)
    assert not {"numpy", "typer", "textual", "msgspec", "neuron_console"} & set(blocked)


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_help_version_and_failures(name, blocked, tmp_path, monkeypatch, light_networks, squeezenet_neff):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "web.yml").write_text("basic_auth_users: {a: $2y$10$" + "a" * 53 + "}\n")
    paths = {
        "{web}": "web.yml",
        "{onnx}": str(light_networks / "light_squeezenet.onnx"),
        "{neff}": str(squeezenet_neff),
    }
    calls = [(["--help"], 0, ""), (["--version"], 0, "")]
    calls += [([paths.get(a, a) for a in arguments], status, text) for arguments, status, text in FAILING[name]]
    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(lambda call: run_bare(name, SCRIPTS[name], call[0], blocked), calls))
    for (arguments, status, text), done in zip(calls, ends, strict=True):
        assert done.returncode == status, (arguments, done.stderr)
        assert "Traceback" not in done.stderr, (arguments, done.stderr)
        if status == 0:
            assert done.stdout
            assert done.stderr == ""
        else:
            lines = done.stderr.strip().splitlines()
            assert len(lines) == 1, (arguments, done.stderr)
            assert text in lines[0], arguments
            assert lines[0].startswith(f"{name}: "), arguments
