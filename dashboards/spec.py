"""What a dashboard is made of, as records that know nothing of Grafana's JSON."""

from __future__ import annotations

import enum
from typing import NamedTuple


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
        steps: colours of thresholds.
    """

    title: str
    kind: Kind
    unit: Unit
    queries: tuple[Query, ...]
    description: str
    width: int = 8
    top: float | None = None
    steps: tuple[Step, ...] = ()


class Section(NamedTuple):
    """Panels below a headline."""

    title: str
    panels: tuple[Panel, ...]


class Variable(NamedTuple):
    """What a reader chooses: values of ``label`` of the series that ``selector`` picks; all at first."""

    name: str
    title: str
    label: str
    selector: str


class Dashboard(NamedTuple):
    """A dashboard; ``uid`` is its address in Grafana."""

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    sections: tuple[Section, ...]


def queries(dashboard: Dashboard) -> list[tuple[str, str]]:
    """(title of the panel, PromQL) of every query."""
    return [
        (f"{section.title}: {panel.title}", query.expr)
        for section in dashboard.sections
        for panel in section.panels
        for query in panel.queries
    ]
