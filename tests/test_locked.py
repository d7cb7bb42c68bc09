"""CI installs the requirements of pyproject.toml: versions with hashes, updated by ``make lock``."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def wanted(requirements):
    """Requirements of the project, including those of its extras."""
    for text in requirements:
        requirement = Requirement(text)
        if canonicalize_name(requirement.name) == PROJECT["name"]:
            for extra in requirement.extras:
                yield from wanted(PROJECT["optional-dependencies"][extra])
        else:
            yield requirement


def locked():
    """Blocks of the file: a requirement, and its hashes."""
    text = (REPOSITORY / ".ci/requirements.txt").read_text().replace("\\\n", " ")
    for line in filter(None, text.splitlines()):
        requirement, *hashes = line.split("--hash=")
        yield Requirement(requirement), [one.strip() for one in hashes]


def test_every_version_is_exact_and_has_hashes():
    for requirement, hashes in locked():
        (only,) = requirement.specifier
        assert only.operator == "==", requirement
        assert hashes, requirement
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", one) for one in hashes), requirement


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_it_holds_what_the_project_requires(version):
    environment = {**default_environment(), "python_version": version, "python_full_version": f"{version}.9"}
    here = {
        canonicalize_name(requirement.name): next(iter(requirement.specifier)).version
        for requirement, _ in locked()
        if requirement.marker is None or requirement.marker.evaluate(environment)
    }
    texts = [*PROJECT["dependencies"], f"{PROJECT['name']}[all,dev]"]
    wrong = [
        str(requirement)
        for requirement in wanted(texts)
        if not requirement.specifier.contains(here.get(canonicalize_name(requirement.name), "0"), prereleases=True)
    ]
    assert not wrong, "run 'make lock'"
