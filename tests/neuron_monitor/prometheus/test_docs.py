"""The documentation page equals the one generated from the metric table."""

from pathlib import Path

from neuron_monitor.prometheus.docs import markdown

DOCS = Path(__file__).parents[3] / "docs/reference/metrics.md"


def test_the_page_is_up_to_date():
    assert DOCS.read_text() == markdown(), "run make docs"
