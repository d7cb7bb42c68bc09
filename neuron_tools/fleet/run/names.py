"""The metrics that the fleet's dashboard asks for."""

from __future__ import annotations

import functools
import re

from dashboards.fleet import FLEET

_WORD = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")


@functools.cache
def panel_names() -> frozenset[str]:
    """Words of the panels' queries, the names of their metrics among them."""
    queries = (query.expr for section in FLEET.sections for panel in section.panels for query in panel.queries)
    return frozenset(word for query in queries for word in _WORD.findall(query))
