"""The YAML examples of the pages are accepted by the parsers of the commands that read them."""

import re
from pathlib import Path

import pytest
import yaml

from neuron_tools.fleet.schema import parse_fleet
from neuron_tools.scenario.load import parse_scenario

DOCS = Path(__file__).parents[2] / "docs"
_FENCE = re.compile(r"^```yaml[^\n]*\n(.*?)^```", re.S | re.M)
_MODEL_FILE = re.compile(r"\b(?:onnx|neff): ([\w.-]+)")


def blocks():
    for page in sorted(DOCS.rglob("*.md")):
        for number, block in enumerate(_FENCE.findall(page.read_text()), 1):
            yield pytest.param(page, block, id=f"{page.relative_to(DOCS)}-{number}")


def whole(page, block):
    """The example itself, or the last fleet of the page with this part in it."""
    if "\nfleet:" in f"\n{block}" or not block.startswith("expectations:"):
        return block
    text = page.read_text()
    fleets = [other for other in _FENCE.findall(text[: text.index(block)]) if other.startswith("fleet:")]
    return fleets[-1] + block if fleets else block


@pytest.mark.parametrize(("page", "block"), blocks())
def test_an_example_is_accepted(page, block, tmp_path):
    text = whole(page, block)
    for name in _MODEL_FILE.findall(text):
        (tmp_path / name).touch()
    if text.startswith("fleet:"):
        assert parse_fleet(text.encode(), tmp_path / "fleet.yaml").groups
    elif text.startswith("scenario:"):
        assert parse_scenario(text.encode(), tmp_path / "scenario.yaml").applications
    else:
        assert list(yaml.safe_load_all(text))


def test_the_pages_of_scenarios_and_fleets_have_examples():
    kinds = [whole(*param.values).partition(":")[0] for param in blocks()]
    assert kinds.count("fleet") >= 2
    assert kinds.count("scenario") >= 2
