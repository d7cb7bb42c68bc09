"""The image is built of all packages of the suite, and of nothing else."""

import re
import tomllib

import pytest


@pytest.fixture
def packages(deploy):
    project = tomllib.loads((deploy.parent / "pyproject.toml").read_text())
    return {pattern.rstrip("*") for pattern in project["tool"]["setuptools"]["packages"]["find"]["include"]}


def test_every_package_is_copied_and_not_ignored(deploy, packages):
    copied = set(re.findall(r"^COPY (\w+) \1$", (deploy / "container/Dockerfile").read_text(), re.MULTILINE))
    assert copied == packages
    ignored = (deploy.parent / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == packages | {"pyproject.toml", "README.md"}


def test_it_asks_for_extras_that_there_are(deploy):
    text = (deploy / "container/Dockerfile").read_text()
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", text)
    project = tomllib.loads((deploy.parent / "pyproject.toml").read_text())
    assert set(extras.split(",")) <= project["project"]["optional-dependencies"].keys()


def test_it_runs_as_nobody_in_particular(deploy):
    users = re.findall(r"^USER (\d+):(\d+)$", (deploy / "container/Dockerfile").read_text(), re.MULTILINE)
    assert users == [("65532", "65532")]
