"""The wheel: every command on a bare installation, and the whole suite with the extra ``all``."""

import json
import os
import re
import shutil
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dashboards.runbooks import RUNBOOKS
from runtime_core import __version__

REPOSITORY = Path(__file__).parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def test_bare_every_command_tells_its_version(command):
    """Help and failures of each on a bare installation: ``tests/e2e/test_bare_install.py``."""
    versions = command("; ".join(f"{name} --version" for name in PROJECT["scripts"]))
    assert versions.stdout.splitlines() == [f"{name} {__version__}" for name in PROJECT["scripts"]]
    assert versions.stderr == ""


def test_it_holds_a_bill_of_materials(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if ".dist-info/sboms/" in name)
        bill = json.loads(archive.read(name))
    assert name.endswith("/neuron-tools-sim.cdx.json")
    assert (bill["bomFormat"], bill["metadata"]["component"]["version"]) == ("CycloneDX", __version__)
    scopes = {part["name"]: part["scope"] for part in bill["components"]}
    required = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
    assert {name for name, scope in scopes.items() if scope == "required"} == required
    assert scopes["grpcio"] == "optional"
    assert set(bill["dependencies"][0]["dependsOn"]) == {f"pkg:pypi/{name}" for name in scopes}


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


def test_bare_a_missing_extra_is_named(command):
    for line in ("neuron-sim demo", "python -m neuron_tools.models resnet50"):
        failed = command(line)
        assert failed.returncode == 1
        assert failed.stderr.endswith("pip install 'neuron-tools-sim[compiler]'\n")


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


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler: apt-get install gcc")
def test_with_all_extras_a_c_program_runs(command, tmp_path):
    (tmp_path / "count.c").write_text(
        '#include <nrt/nrt.h>\nint main(void) { return nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "", ""); }\n'
    )
    build = "cc count.c -Iopt/include -Lopt/lib -lnrt -Wl,-rpath,$PWD/opt/lib -o count"
    done = command(f"neuron-sim install --prefix opt && PATH={os.environ['PATH']} {build} && ./count", "all")
    assert done.returncode == 0, done.stderr


def test_the_addresses_of_the_project_agree():
    site = re.search(r"^site_url: (\S+)$", (REPOSITORY / "mkdocs.yml").read_text(), re.MULTILINE)[1]
    assert {
        PROJECT["urls"]["Homepage"],
        PROJECT["urls"]["Documentation"],
        RUNBOOKS.removesuffix("how-to/runbooks/"),
    } == {site}
