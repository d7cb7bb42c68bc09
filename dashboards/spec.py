"""What a dashboard is made of, as records that know nothing of Grafana's JSON."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

TOP_SERIES = 16
"""What a graph with many series shows at any moment."""


class Kind(enum.Enum):
    """How a panel shows its series."""

    LINES = enum.auto()
    STACK = enum.auto()
    NUMBER = enum.auto()
    ROWS_HEAT = enum.auto()
    """A row a series, coloured by value."""

    BUCKETS_HEAT = enum.auto()
    """A row a histogram bucket, coloured by count."""

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
    """A data link: another dashboard about what was clicked.

    Attributes:
        title: in the menu of a click.
        uid: of the dashboard.
        fields: the variable that it sets -> the label with the value.
    """

    title: str
    uid: str
    fields: dict[str, str]


class Query(NamedTuple):
    """PromQL, and what its series are called (with ``{{label}}``)."""

    expr: str
    legend: str = ""


class Step(NamedTuple):
    """From which value on a panel takes a colour; ``None``: the lowest."""

    from_value: float | None
    colour: str


class Panel(NamedTuple):
    """A panel.

    Attributes:
        title: short.
        description: what one should know to read it.
        width: of 24 columns.
        top: the greatest value there can be, where there is one.
        steps: colours of thresholds; a graph draws them as dashed lines.
        links: what a click on a series, a row or a number offers.
        many: there may be dozens of series: the greatest ones only, in a sorted table beside the graph.
        colours: of series by name; others take one that follows from their name.
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
        collapsed: closed until somebody opens it; Grafana does not query its panels before.
        optional: only some nodes have these series, such as those of a cluster.
    """

    title: str
    panels: tuple[Panel, ...]
    collapsed: bool = False
    optional: bool = False


class Variable(NamedTuple):
    """What a reader chooses: values of ``label`` of the series that ``selector`` picks; all at first.

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
    """What a panel asks Prometheus: of many lines the greatest ones; a stack needs all for its sum."""
    return f"topk({TOP_SERIES}, {query.expr})" if panel.many and panel.kind is Kind.LINES else query.expr


def queries(dashboard: Dashboard) -> list[tuple[str, str]]:
    """(title of the panel, PromQL) of every query."""
    return [
        (f"{section.title}: {panel.title}", promql(panel, query))
        for section in dashboard.sections
        for panel in section.panels
        for query in panel.queries
    ]
