"""The first row of every dashboard: is anything wrong, and where."""

from __future__ import annotations

from dashboards.objectives import SUCCESS_OBJECTIVE_RATIO
from dashboards.spec import Kind, Panel, Query, Section, Step, Unit

_ANY_IS_BAD = (Step(None, "#009E73"), Step(1, "#D55E00"))
_BUDGET = round(1 - SUCCESS_OBJECTIVE_RATIO, 6)


def health_section(selector: str, runtimes: str) -> Section:
    """Alerts that fire, nodes with one, and errors against the objective.

    Args:
        selector: of the alerts shown.
        runtimes: of the runtimes shown.
    """
    firing = f'ALERTS{{alertstate="firing", {selector}}}'
    return Section(
        "Health",
        (
            Panel("Firing alerts", Kind.NUMBER, Unit.COUNT, (Query(f"count({firing}) or vector(0)"),),
                  "Alerts that fire now for the chosen instances.", 4, steps=_ANY_IS_BAD),
            Panel("Unhealthy nodes", Kind.NUMBER, Unit.COUNT,
                  (Query(f"count(count by (instance) ({firing})) or vector(0)"),),
                  "Instances with at least one alert that fires.", 4, steps=_ANY_IS_BAD),
            Panel("Errors against the objective", Kind.NUMBER, Unit.RATIO,
                  (Query(f'max(runtime_tag:execution_errors:ratio_rate5m{{{runtimes}}})'),),
                  f"Failed share of executions in 5 minutes, of the worst runtime; the objective allows {_BUDGET:.1%}.",
                  4, steps=(Step(None, "#009E73"), Step(_BUDGET, "#E69F00"), Step(14.4 * _BUDGET, "#D55E00"))),
            Panel("Alerts", Kind.TABLE, Unit.COUNT, (Query(f"{firing} or vector(0)"),),
                  "What fires, where; a row without a name means that nothing does.", 12),
        ),
    )  # fmt: skip
