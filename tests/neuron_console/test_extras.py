"""The table of extras agrees with the distribution's own metadata."""

from importlib import metadata

import pytest
from packaging.requirements import Requirement

from neuron_console.extras import DISTRIBUTION, EXTRAS, MissingExtraError, missing_extra, requires
from neuron_console.running import format_error
from runtime_core.errors import NeuronError

FOR_DEVELOPERS = {"all", "audit", "bench", "dev", "docs"}


def installed_by(extra):
    """The distributions of an extra, including those of nested extras."""
    for line in metadata.requires(DISTRIBUTION):
        requirement = Requirement(line)
        if requirement.marker and requirement.marker.evaluate({"extra": extra}):
            if requirement.name == DISTRIBUTION:
                for nested in requirement.extras:
                    yield from installed_by(nested)
            else:
                yield requirement.name.lower()


def test_every_extra_for_users_is_in_the_table():
    assert set(metadata.metadata(DISTRIBUTION).get_all("Provides-Extra")) - FOR_DEVELOPERS == set(EXTRAS)


@pytest.mark.parametrize("extra", EXTRAS)
def test_each_extra_installs_its_modules(extra):
    owners = metadata.packages_distributions()
    wanted = set(installed_by(extra))
    for module in EXTRAS[extra].modules:
        if module in owners and module not in ("botocore", "aiohttp", "aiohttp_jinja2", "jinja2"):
            assert wanted & {owner.lower() for owner in owners[module]}, module


def test_a_missing_package_names_the_extra_that_was_asked_for():
    with (
        pytest.raises(MissingExtraError, match=r"Reading scenarios .* 'yaml'.*neuron-tools-sim\[scenario\]"),
        requires("scenario"),
    ):
        raise ModuleNotFoundError("No module named 'yaml'", name="yaml")


def test_a_missing_package_of_no_extra_is_a_defect_of_ours():
    with pytest.raises(ModuleNotFoundError, match="no_such"), requires("scenario"):
        raise ModuleNotFoundError("no_such", name="no_such.module")
    assert missing_extra(ValueError("yaml")) is None


def test_an_error_that_names_no_mend_takes_it_from_the_package_that_it_lacks():
    error = NeuronError("this needs 'onnx'")
    error.__cause__ = ModuleNotFoundError("No module named 'onnx'", name="onnx")
    assert format_error(error) == "this needs 'onnx': pip install 'neuron-tools-sim[compiler]'"
    assert format_error(NeuronError("bad", where="file", mend="mend it")) == "file: bad: mend it"
