"""The image contains all packages of the suite, and nothing else."""

import re
import tomllib

import pytest

from runtime_core import __version__


@pytest.fixture
def packages(deploy):
    project = tomllib.loads((deploy.parent / "pyproject.toml").read_text())
    return {pattern.rstrip("*") for pattern in project["tool"]["setuptools"]["packages"]["find"]["include"]}


def test_no_package_is_kept_from_the_build(deploy, packages):
    ignored = (deploy.parent / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    kept = {line[1:] for line in ignored if line.startswith("!")}
    assert kept == packages | {"pyproject.toml", "README.md", "LICENSE", "deploy"}


def test_it_asks_for_extras_that_there_are(deploy):
    text = (deploy / "container/Dockerfile").read_text()
    (extras,) = re.findall(r'"\$1\[([\w,]+)\]"', text)
    project = tomllib.loads((deploy.parent / "pyproject.toml").read_text())
    assert set(extras.split(",")) <= project["project"]["optional-dependencies"].keys()


@pytest.mark.parametrize("file", ["grafana/compose.yml", "kubernetes/daemonset.yaml"])
def test_its_tag_is_the_version_of_the_suite(deploy, file):
    assert re.findall(r"image: neuron-tools-sim:(\S+)", (deploy / file).read_text()) == [__version__]


def test_it_runs_as_nobody_in_particular(deploy):
    users = re.findall(r"^USER (\d+):(\d+)$", (deploy / "container/Dockerfile").read_text(), re.MULTILINE)
    assert users == [("65532", "65532")]
