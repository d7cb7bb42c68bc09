"""``neuron-tools export``: an installation writes the files of the checkout, without references to a checkout."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from real_prometheus import REPOSITORY, program

from dashboards.runbooks import RUNBOOKS
from neuron_tools.export.bundle import BUNDLES, contents, write
from runtime_core.errors import NeuronError, UsageError


def export(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "neuron_tools", "export", *map(str, arguments)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_dashboards_and_rules_are_those_of_the_checkout(tmp_path):
    write("dashboards", tmp_path / "new" / "folder")
    for source in (REPOSITORY / "dashboards/json").glob("*.json"):
        assert (tmp_path / "new" / "folder" / source.name).read_text() == source.read_text()
    names = {path.name for path in write("rules", tmp_path / "rules")}
    assert names == {"neuron-alerts.yml", "neuron-fleet.yml", "neuron-recordings.yml"}


def test_every_runbook_link_of_rules_and_deploy_has_the_given_base(tmp_path):
    base = "https://wiki.internal/neuron"
    for kind in ("rules", "deploy"):
        done = export(kind, tmp_path / kind, "--runbooks", base, "--json")
        assert done.returncode == 0, done.stderr
        texts = {path: Path(path).read_text() for path in json.loads(done.stdout)["files"]}
        assert sum(text.count(f"runbook_url: {base}#") for text in texts.values()) >= 11
        assert not [path for path, text in texts.items() if RUNBOOKS in text]


def test_exported_files_refer_to_exported_files_only(tmp_path):
    write("deploy", tmp_path)
    compose = yaml.safe_load((tmp_path / "grafana/compose.yml").read_text())
    for service in compose["services"].values():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            if source.startswith("."):
                target = (tmp_path / "grafana" / source).resolve()
                assert target.exists() and target.is_relative_to(tmp_path), source
    build = tmp_path / "grafana" / compose["services"]["node"]["build"]["context"]
    assert (build / "Dockerfile").is_file()
    kustomization = yaml.safe_load((tmp_path / "kubernetes/kustomization.yaml").read_text())
    assert all((tmp_path / "kubernetes" / name).is_file() for name in kustomization["resources"])
    done = subprocess.run(
        [program("promtool"), "check", "config", tmp_path / "prometheus/prometheus.yml"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "rules found" in done.stdout
    assert not [path for path in tmp_path.rglob("*") if path.is_symlink()]


def test_a_repeated_export_succeeds_and_a_changed_file_stays(tmp_path):
    first = write("rules", tmp_path)
    assert write("rules", tmp_path) == first
    mine = tmp_path / "neuron-alerts.yml"
    mine.write_text("groups: []\n")
    other = tmp_path / "neuron-recordings.yml"
    other.unlink()
    with pytest.raises(NeuronError, match="with different content") as caught:
        write("rules", tmp_path)
    assert caught.value.where == str(mine)
    assert not other.exists(), "nothing is written when one file is in the way"
    write("rules", tmp_path, overwrite=True)
    assert "NeuronCoreHung" in mine.read_text()


@pytest.mark.parametrize(
    "url", ["runbooks.md", "https://a b/", "https://x/#y", "ftp://x/", 'https://x/"', "https://x/\n"]
)
def test_a_runbook_base_that_is_no_absolute_url_is_refused(url):
    with pytest.raises(UsageError, match="absolute URL"):
        contents("rules", url)


def test_failures_are_one_line(tmp_path):
    (tmp_path / "file").touch()
    done = export("rules", tmp_path / "file" / "below")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    assert export("rules", tmp_path, "--runbooks", "x").returncode == 2


def test_the_wheel_ships_every_file_of_deploy():
    files = {path for path in (REPOSITORY / "deploy").rglob("*") if path.is_file()}
    shipped = contents("deploy")
    assert {path.relative_to(REPOSITORY / "deploy").as_posix() for path in files} <= set(map(str, shipped))
    assert set(BUNDLES) == {"dashboards", "rules", "deploy"}
