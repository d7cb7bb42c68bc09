"""The reference of the HTTP API."""

import re
from pathlib import Path

from neuron_monitor.api.documents import EVENTS, REPORT, SUMMARY
from neuron_monitor.api.summary import Summary

DOCS = Path(__file__).parents[3] / "docs/reference/http-api.md"


def test_the_reference_has_every_path_and_field():
    text = DOCS.read_text()
    rows = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    paths = tuple(f"GET {path}" for path in (REPORT, SUMMARY, EVENTS))
    assert tuple(rows) == (*paths, *Summary.__struct_fields__)
