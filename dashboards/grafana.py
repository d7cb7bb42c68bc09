"""Convert the records of a dashboard to the JSON that Grafana imports, with grafana-foundation-sdk."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from string import ascii_uppercase

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    heatmap,
    prometheus,
    stat,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.spec import Dashboard, Goto, Kind, Panel, Query, Section, Variable, promql
from neuron_console.palette import FAULT

_SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
_HEIGHT = 8
_NUMBER_HEIGHT = 4
_COLUMNS = 24

AnyPanel = timeseries.Panel | stat.Panel | heatmap.Panel | table.Panel | bargauge.Panel


def _target(panel: Panel, query: Query, ref: str) -> prometheus.Dataquery:
    kind = panel.kind
    now_only = kind in (Kind.TABLE, Kind.BARS)
    target = prometheus.Dataquery().expr(promql(panel, query)).ref_id(ref).datasource(_SOURCE)
    target = target.instant() if now_only else target.range()
    form = {Kind.TABLE: PromQueryFormat.TABLE, Kind.BUCKETS_HEAT: PromQueryFormat.HEATMAP}
    return target.format(form.get(kind, PromQueryFormat.TIME_SERIES)).legend_format(query.legend or "__auto")


def _legend(panel: Panel) -> common.VizLegendOptions:
    legend = common.VizLegendOptions().show_legend(True)
    if not panel.many:
        return legend.display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    legend = legend.display_mode(LegendDisplayMode.TABLE).placement(LegendPlacement.RIGHT)
    return legend.calcs(["lastNotNull", "max"]).sort_by("Last *").sort_desc(True)


def _graph(panel: Panel) -> timeseries.Panel:
    made = timeseries.Panel().legend(_legend(panel)).show_points(VisibilityMode.NEVER).line_width(1).min(0)
    # An application has the same colour on every graph.
    made = made.color_scheme(builders.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    for name, colour in panel.colours.items():
        fixed = {"mode": models.FieldColorModeId.FIXED, "fixedColor": colour}
        made = made.override_by_name(name, [models.DynamicConfigValue(id_val="color", value=fixed)])
    if panel.steps:
        made = made.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    made = made.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    if panel.kind is Kind.STACK:
        made = made.stacking(common.StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(30)
    return made


def _number(panel: Panel) -> stat.Panel:
    last = common.ReduceDataOptions().calcs(["lastNotNull"])
    return stat.Panel().reduce_options(last).graph_mode(BigValueGraphMode.AREA)


def _heat(panel: Panel) -> heatmap.Panel:
    colours = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Viridis").steps(64)
    if panel.top is not None:
        colours = colours.min(0).max(panel.top)
    made = heatmap.Panel().color(colours).cell_gap(1)
    if panel.kind is Kind.ROWS_HEAT:
        # The colour shows the value; the rows are series, which have no unit.
        return made.cell_values(heatmap.CellValues().unit(str(panel.unit)))
    return made.y_axis(heatmap.YAxisConfig().unit(str(panel.unit)))


def _table(panel: Panel) -> table.Panel:
    hidden = dict.fromkeys(("Time", "Value", "__name__", "job", "subnet_id", "instance_id", "region"), True)
    options: dict[str, dict[str, str] | dict[str, bool]] = {"excludeByName": hidden}
    organize = models.DataTransformerConfig(id_val="organize", options=options)
    if len(panel.queries) == 1:
        return table.Panel().transformations([organize])
    # A column per query, in rows that have the same labels.
    columns = zip(ascii_uppercase, panel.queries, strict=False)
    options["renameByName"] = {f"Value #{ref}": query.legend for ref, query in columns}
    return table.Panel().transformations([models.DataTransformerConfig(id_val="merge", options={}), organize])


def _bars(panel: Panel) -> bargauge.Panel:
    last = common.ReduceDataOptions().calcs(["lastNotNull"])
    return bargauge.Panel().reduce_options(last).orientation(VizOrientation.HORIZONTAL).min(0)


_KINDS: dict[Kind, Callable[[Panel], AnyPanel]] = {
    Kind.LINES: _graph,
    Kind.STACK: _graph,
    Kind.NUMBER: _number,
    Kind.ROWS_HEAT: _heat,
    Kind.BUCKETS_HEAT: _heat,
    Kind.TABLE: _table,
    Kind.BARS: _bars,
}


def _goto(link: Goto, kind: Kind) -> builders.DashboardLink:
    """Return the URL of a data link, into which Grafana inserts the clicked labels and the time range."""
    # A table has a field per label; a series has one field with labels.
    place = "${{__data.fields.{}}}" if kind is Kind.TABLE else "${{__field.labels.{}}}"
    chosen = [f"var-{variable}={place.format(label)}" for variable, label in link.fields.items()]
    query = "&".join(("${datasource:queryparam}", *chosen, "${__url_time_range}"))
    return builders.DashboardLink(link.title).type(models.DashboardLinkType.LINK).url(f"/d/{link.uid}?{query}")


def _panel(panel: Panel, number: int, grid: models.GridPos) -> AnyPanel:
    made = _KINDS[panel.kind](panel).id(number).title(panel.title).description(panel.description)
    made = made.datasource(_SOURCE).grid_pos(grid)
    if not isinstance(made, heatmap.Panel):
        made = made.unit(str(panel.unit))
    if panel.top is not None and not isinstance(made, heatmap.Panel):
        made = made.max(panel.top)
    if panel.steps:
        steps = [models.Threshold(value=step.from_value, color=step.colour) for step in panel.steps]
        made = made.thresholds(builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps))
    if panel.links:
        made = made.data_links([_goto(link, panel.kind) for link in panel.links])
    for ref, query in zip(ascii_uppercase, panel.queries, strict=False):
        made = made.with_target(_target(panel, query, ref))
    return made


def _lines_of(section: Section) -> list[list[Panel]]:
    """Place panels from left to right; start a new line if the next panel does not fit."""
    lines: list[list[Panel]] = [[]]
    for panel in section.panels:
        if sum(before.width for before in lines[-1]) + panel.width > _COLUMNS:
            lines.append([])
        lines[-1].append(panel)
    return lines


def _placed(section: Section, top: int) -> tuple[list[tuple[Panel, models.GridPos]], int]:
    """Return the position of each panel, with equal heights in a line, and the start of the next section."""
    placed: list[tuple[Panel, models.GridPos]] = []
    for line in _lines_of(section):
        height = _NUMBER_HEIGHT if all(panel.kind is Kind.NUMBER for panel in line) else _HEIGHT
        x = 0
        for panel in line:
            placed.append((panel, models.GridPos(h=height, w=panel.width, x=x, y=top)))
            x += panel.width
        top += height
    return placed, top


def _variable(variable: Variable) -> builders.QueryVariable:
    query = f"label_values({variable.selector}, {variable.label})"
    everything = models.VariableOption(selected=True, text="All", value="$__all")
    return (
        builders.QueryVariable(variable.name)
        .label(variable.title)
        .datasource(_SOURCE)
        .query({"query": query, "refId": variable.name})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.NATURAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(everything)
    )


def _alerts() -> builders.AnnotationQuery:
    """Return annotations that mark alerts on every graph."""
    # Grafana reads the query of a Prometheus annotation from these fields.
    return (
        builders.AnnotationQuery().name("Alerts").datasource(_SOURCE).enable(True).icon_color(FAULT).expr(ALERT_MARKS)
    )


ALERT_MARKS = 'ALERTS{alertstate="firing", alertname=~"Neuron.+"}'


def to_json(dashboard: Dashboard) -> str:
    """Return the dashboard as Grafana's JSON."""
    made = (
        builders.Dashboard(dashboard.title)
        .uid(dashboard.uid)
        .description(dashboard.description)
        .tags(["neuron", "inferentia"])
        .refresh("10s")
        .time("now-30m", "now")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .annotation(_alerts())
        .with_variable(builders.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .link(
            builders.DashboardLink("Neuron dashboards")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags(["neuron"])
            .include_vars(True)
            .keep_time(True)
        )
    )
    for variable in dashboard.variables:
        made = made.with_variable(_variable(variable))
    numbers = count(1)
    y = 0
    for section in dashboard.sections:
        row = builders.Row(section.title).id(next(numbers)).grid_pos(models.GridPos(h=1, w=_COLUMNS, x=0, y=y))
        placed, below = _placed(section, y + 1)
        panels = [_panel(panel, next(numbers), grid) for panel, grid in placed]
        if section.collapsed:
            # A collapsed row contains its panels, and the next row follows it directly.
            for inner in panels:
                row = row.with_panel(inner)
            made = made.with_row(row)
            y += 1
            continue
        made = made.with_row(row)
        for panel in panels:
            made = made.with_panel(panel)
        y = below
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"
