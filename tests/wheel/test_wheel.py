"""What a stranger gets from the wheel: every command on a bare installation, and the whole with the extra ``all``."""

import os
import re
import tomllib
from pathlib import Path

import pytest

from dashboards.runbooks import RUNBOOKS
from runtime_core import __version__

REPOSITORY = Path(__file__).parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
FAILING_CALLS = {
    "neuron-sim": "neuron-sim status",
    "neuron-ls": "neuron-ls",
    "neuron-top": "neuron-top --once",
    "neuron-monitor": "neuron-monitor -c missing.json",
    "neuron-monitor-prometheus.py": "neuron-monitor-prometheus.py --port 0",
    "neuron-monitor-cloudwatch.py": "neuron-monitor-cloudwatch.py --namespace N --region us-east-1",
    "neuron-monitor-k8s-info.py": "neuron-monitor-k8s-info.py --period 15",
    "neuron-cc": "neuron-cc compile missing.onnx",
    "neuron-bench": "neuron-bench missing.onnx",
    "neuron-rtd": "neuron-rtd -g unix:/nowhere/neuron.sock",
    "neuron-cli": "neuron-cli list-model",
    "neuron-oci-hook": "neuron-oci-hook",
    "neuron-profile": "neuron-profile view missing.neff",
    "neuron-gatherinfo": "neuron-gatherinfo --source sysfs:missing",
    "neuron-tools": "neuron-tools export rules /dev/null/x",
}
"""A call of each command that cannot succeed on a bare installation without a node."""


@pytest.mark.parametrize("name", PROJECT["scripts"])
def test_a_command_of_a_bare_installation_has_help_a_version_and_a_clear_failure(command, name):
    help_page = command([name, "--help"])
    assert (help_page.returncode, help_page.stderr) == (0, "")
    assert re.search(rf"^\s*Usage: {re.escape(name)} ", help_page.stdout, re.MULTILINE)
    version = command([name, "--version"])
    assert (version.returncode, version.stdout, version.stderr) == (0, f"{name} {__version__}\n", "")
    failed = command(FAILING_CALLS.get(name, [name, "--no-such-option"]))
    assert failed.returncode in (1, 2), failed
    assert "Traceback" not in failed.stderr
    if name != "neuron-gatherinfo":  # its report is on stdout
        assert failed.stderr.strip().count("\n") == 0, failed.stderr
        assert failed.stderr.startswith(f"{name}: "), failed.stderr


def test_bare_the_viewers_show_a_node(command):
    shown = command(
        "neuron-sim up --instance-type inf1.xlarge && neuron-ls && neuron-top --once && neuron-monitor --once"
    )
    assert shown.returncode == 0, shown.stderr
    assert "inf1.xlarge" in shown.stdout
    assert "NEURON" in shown.stdout
    assert command("neuron-sim down").returncode == 0


def test_bare_every_file_for_other_programs_is_exported(command, tmp_path):
    for kind, source in (("dashboards", "dashboards/json"), ("rules", "dashboards/rules"), ("deploy", "deploy")):
        assert command(f"neuron-tools export {kind} {kind}").returncode == 0
        for folder, _, names in os.walk(REPOSITORY / source, followlinks=True):
            place = tmp_path / kind / Path(folder).relative_to(REPOSITORY / source)
            assert [name for name in names if not (place / name).is_file()] == []


@pytest.mark.parametrize(
    ("line", "extra"),
    [
        ("neuron-sim scenario list", "scenario"),
        ("neuron-sim demo", "compiler"),
        ("python -m neuron_tools.models resnet50", "compiler"),
        ("neuron-top --serve", "serve"),
        ("neuron-sim mount .", "fuse"),
    ],
)
def test_bare_a_missing_extra_is_named_in_one_line(command, line, extra):
    failed = command(line)
    assert failed.returncode == 1
    assert f"pip install 'neuron-tools-sim[{extra}]'" in failed.stderr
    assert failed.stderr.strip().count("\n") == 0, failed.stderr


def test_with_all_extras_the_demo_runs(command):
    shown = command("neuron-sim demo --duration 2", "all")
    assert shown.returncode == 0, shown.stderr
    assert "photo-tags" in shown.stdout


def test_with_all_extras_scenarios_and_reference_networks_run(command):
    scenario = command("neuron-sim scenario run core-hung", "all")
    assert scenario.returncode == 0, scenario.stdout + scenario.stderr
    network = command("python -m neuron_tools.models resnet50 -o r.onnx && neuron-bench r.onnx --duration 0.1", "all")
    assert network.returncode == 0, network.stderr
    assert "samples/s" in network.stdout


def test_the_addresses_of_the_project_agree():
    site = re.search(r"^site_url: (\S+)$", (REPOSITORY / "mkdocs.yml").read_text(), re.MULTILINE)[1]
    assert {
        PROJECT["urls"]["Homepage"],
        PROJECT["urls"]["Documentation"],
        RUNBOOKS.removesuffix("how-to/runbooks/"),
    } == {site}
