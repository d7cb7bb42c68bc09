"""The first row of every dashboard: problems and their places."""

from __future__ import annotations

from dashboards.goto import TO_NODE
from dashboards.spec import Kind, Panel, Query, Section, Unit
from dashboards.thresholds import ANY_IS_BAD, ERROR_BUDGET_RATIO, FAILING


def health_section(selector: str, runtimes: str, errors: str = "runtime_tag:execution_errors:ratio_rate5m") -> Section:
    """Return alerts that fire, nodes with such alerts, and errors against the objective.

    Args:
        selector: selector of the alerts.
        runtimes: selector of the runtimes.
        errors: series of the failed share of executions.
    """
    firing = f'ALERTS{{alertstate="firing", {selector}}}'
    return Section(
        "Health",
        (
            Panel("Firing alerts", Kind.NUMBER, Unit.COUNT, (Query(f"count({firing}) or vector(0)"),),
                  "Alerts that fire now for the chosen instances.", 4, steps=ANY_IS_BAD),
            Panel("Unhealthy nodes", Kind.NUMBER, Unit.COUNT,
                  (Query(f"count(count by (instance) ({firing})) or vector(0)"),),
                  "Instances with at least one alert that fires.", 4, steps=ANY_IS_BAD),
            Panel("Errors against the objective", Kind.NUMBER, Unit.RATIO,
                  (Query(f"max({errors}{{{runtimes}}})"),),
                  "Failed share of executions in 5 minutes, of the worst runtime; "
                  f"the objective allows {ERROR_BUDGET_RATIO:.1%}.",
                  4, steps=FAILING),
            Panel("Alerts", Kind.TABLE, Unit.COUNT, (Query(f"{firing} or vector(0)"),),
                  "Alerts that fire now. A row without a name means that none fires.", 12, links=TO_NODE),
        ),
    )  # fmt: skip
