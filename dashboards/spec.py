"""The parts of a dashboard, as records that are independent of Grafana's JSON."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

TOP_SERIES = 16
"""Maximum number of series that a graph shows at any time."""


class Kind(enum.Enum):
    """The kind of a panel."""

    LINES = enum.auto()
    STACK = enum.auto()
    NUMBER = enum.auto()
    ROWS_HEAT = enum.auto()
    """One row per series, coloured by value."""

    BUCKETS_HEAT = enum.auto()
    """One row per histogram bucket, coloured by count."""

    TABLE = enum.auto()
    BARS = enum.auto()


class Unit(enum.StrEnum):
    """Grafana's names of units."""

    RATIO = "percentunit"
    SECONDS = "s"
    BYTES = "bytes"
    BYTES_PER_SECOND = "Bps"
    PER_SECOND = "ops"
    COUNT = "short"
    USD = "currencyUSD"


class Goto(NamedTuple):
    """A data link to another dashboard.

    Attributes:
        title: text in the menu of a click.
        uid: uid of the dashboard.
        fields: variable of the dashboard -> label with its value.
    """

    title: str
    uid: str
    fields: dict[str, str]


class Query(NamedTuple):
    """PromQL, and the name of its series (with ``{{label}}``)."""

    expr: str
    legend: str = ""


class Step(NamedTuple):
    """A colour and the value from which a panel uses it; ``None``: the lowest."""

    from_value: float | None
    colour: str


class Panel(NamedTuple):
    """A panel.

    Attributes:
        title: short title.
        description: explanation for readers.
        width: number of columns, of 24.
        top: maximum value, if there is one.
        steps: colours of thresholds; a graph draws them as dashed lines.
        links: links that a click on a series, a row or a number offers.
        many: dozens of series are possible: show only the greatest ones, with a sorted table beside the graph.
        colours: colours of series by name; other series get a colour derived from their name.
    """

    title: str
    kind: Kind
    unit: Unit
    queries: tuple[Query, ...]
    description: str
    width: int = 8
    top: float | None = None
    steps: tuple[Step, ...] = ()
    links: tuple[Goto, ...] = ()
    many: bool = False
    colours: Mapping[str, str] = MappingProxyType({})


class Section(NamedTuple):
    """Panels below a headline.

    Attributes:
        title: the headline.
        panels: from left to right, line by line.
        collapsed: closed until a user opens it; until then Grafana does not query its panels.
        optional: only some nodes have these series, such as the nodes of a cluster.
    """

    title: str
    panels: tuple[Panel, ...]
    collapsed: bool = False
    optional: bool = False


class Variable(NamedTuple):
    """A variable that users set: values of ``label`` in the series that ``selector`` selects; default: all.

    ``optional``: only some nodes have these series.
    """

    name: str
    title: str
    label: str
    selector: str
    optional: bool = False


class Dashboard(NamedTuple):
    """A dashboard; ``uid`` is its address in Grafana."""

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    sections: tuple[Section, ...]


def promql(panel: Panel, query: Query) -> str:
    """Return the PromQL of a panel: with many series only the greatest ones, except for stacks, which show a sum."""
    return f"topk({TOP_SERIES}, {query.expr})" if panel.many and panel.kind is Kind.LINES else query.expr


def queries(dashboard: Dashboard) -> list[tuple[str, str]]:
    """Return (title of the panel, PromQL) of every query."""
    return [
        (f"{section.title}: {panel.title}", promql(panel, query))
        for section in dashboard.sections
        for panel in section.panels
        for query in panel.queries
    ]
