"""Thresholds for the colours of panels: the objectives, and the thresholds of neuron-top."""

from __future__ import annotations

from dashboards.objectives import LATENCY_OBJECTIVE_SECONDS, MEMORY_NEARLY_FULL_RATIO, SUCCESS_OBJECTIVE_RATIO
from dashboards.spec import Step
from neuron_console.palette import FAULT, GOOD, WARNING

ERROR_BUDGET_RATIO = round(1 - SUCCESS_OBJECTIVE_RATIO, 6)
"""Share of executions that may fail."""

FAST_BURN = 14.4
"""Multiple of the error budget from which an alert pages; see the alerts on the error budget."""

ANY_IS_BAD = (Step(None, GOOD), Step(1, FAULT))
FAILING = (Step(None, GOOD), Step(ERROR_BUDGET_RATIO, WARNING), Step(FAST_BURN * ERROR_BUDGET_RATIO, FAULT))
FILLING = (Step(None, GOOD), Step(0.8, WARNING), Step(MEMORY_NEARLY_FULL_RATIO, FAULT))
LATE = (Step(None, GOOD), Step(LATENCY_OBJECTIVE_SECONDS, FAULT))
BUDGET_LEFT = (Step(None, FAULT), Step(0.0, WARNING), Step(0.25, GOOD))
ANSWERING = (Step(None, FAULT), Step(0.95, WARNING), Step(1.0, GOOD))
