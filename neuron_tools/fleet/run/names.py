"""The metrics that the fleet's dashboard asks for, and those that its series of all nodes are made of."""

from __future__ import annotations

import functools
import re

from dashboards.fleet import FLEET
from dashboards.recordings import FLEET_RECORDINGS

_WORD = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")


@functools.cache
def panel_names() -> frozenset[str]:
    """Words of the panels' queries and of the fleet's rules, the names of their metrics among them."""
    panels = [query.expr for section in FLEET.sections for panel in section.panels for query in panel.queries]
    queries = [*panels, *(recording.expr for recording in FLEET_RECORDINGS)]
    return frozenset(word for query in queries for word in _WORD.findall(query))
