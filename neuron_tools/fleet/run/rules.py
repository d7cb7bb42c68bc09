"""The rules, evaluated node by node; and the check that a rule can be, since a fleet is never held as a whole.

A rule can be when the series that meet in it are of one node: aggregations and matches keep the label ``instance``.
What is refused would need all nodes at once, as ``sum(up)`` does.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import promql_parser as ast
from numpy.typing import NDArray

from neuron_tools.scenario.promql.evaluate import matcher, parse
from neuron_tools.scenario.promql.functions import without
from neuron_tools.scenario.promql.grid import Columns, GridStore, evaluate_grid
from neuron_tools.scenario.promql.rules import AlertRule, RecordingRule
from neuron_tools.scenario.promql.series import NAME, Labels, labels_of
from runtime_core.errors import UsageError


class Scope(enum.Enum):
    """What a value is about: nothing of the fleet, one node, or all nodes."""

    CONSTANT = "constant"
    NODE = "node"
    FLEET = "fleet"


class Runs(NamedTuple):
    """Times at which an alert's condition holds for one series, as places in the grid: ``[first, end)`` of each run."""

    alert: int
    labels: Labels
    runs: list[tuple[int, int]]


class NodeRules:
    """Rules that can be evaluated node by node."""

    def __init__(self, recordings: Sequence[RecordingRule], alerts: Sequence[AlertRule]) -> None:
        """Check them.

        Raises:
            UsageError: a rule is invalid, or needs all nodes at once.
        """
        self.recordings, self.alerts = recordings, alerts
        self._scopes: dict[str, Scope] = {}
        self._reaches: dict[str, float] = {}
        self.names: set[str] = set()
        for rule in recordings:
            tree = parse(rule.expression)
            scope = self._scope(tree)
            if scope is Scope.FLEET:
                raise _needs_all(tree)
            self._scopes[rule.record] = scope
            self._reaches[rule.record] = max(self._reaches.get(rule.record, 0.0), self._reach(tree))
        self.absences = [self._scope(parse(alert.expression)) is not Scope.NODE for alert in alerts]
        for alert in alerts:
            tree = parse(alert.expression)
            if self._scope(tree) is Scope.FLEET and not _is_absence(tree):
                raise _needs_all(tree)
        self.names -= {rule.record for rule in recordings}
        self.alert_reaches = [self._reach(parse(alert.expression)) for alert in alerts]
        self.reach_seconds = max(self.alert_reaches, default=0.0)

    def _scope(self, tree: ast.Expr) -> Scope:
        match tree:
            case ast.NumberLiteral():
                return Scope.CONSTANT
            case ast.ParenExpr() | ast.UnaryExpr():
                return self._scope(tree.expr)
            case ast.VectorSelector():
                if tree.name is None:
                    raise UsageError("a selector without a name is not supported", where=f"PromQL {tree.prettify()!r}")
                matcher(tree.prettify())
                self.names.add(tree.name)
                return self._scopes.get(tree.name, Scope.NODE)
            case ast.MatrixSelector():
                return self._scope(tree.vector_selector)
            case ast.Call():
                scopes = [self._scope(argument) for argument in tree.args]
                if tree.func.name in ("absent", "scalar") and Scope.NODE in scopes:
                    return Scope.FLEET
                return _widest(scopes)
            case ast.AggregateExpr():
                scope = self._scope(tree.expr)
                return Scope.FLEET if scope is Scope.NODE and not _kept_by(tree.modifier) else scope
            case ast.BinaryExpr():
                scopes = [self._scope(tree.lhs), self._scope(tree.rhs)]
                matching = tree.modifier.matching if tree.modifier is not None else None
                if scopes == [Scope.NODE, Scope.NODE] and matching is not None:
                    inside = matching.type == ast.LabelModifierType.Include
                    if ("instance" in matching.labels) is not inside:
                        return Scope.FLEET
                return _widest(scopes)
        raise UsageError(f"{type(tree).__name__} is not supported in rules", where=f"PromQL {tree.prettify()!r}")

    def _reach(self, tree: ast.Expr) -> float:
        """Seconds before a time that its value depends on."""
        match tree:
            case ast.VectorSelector():
                return self._reaches.get(tree.name or "", 0.0)
            case ast.MatrixSelector():
                return float(tree.range.total_seconds()) + self._reach(tree.vector_selector)
            case ast.ParenExpr() | ast.UnaryExpr() | ast.AggregateExpr():
                return self._reach(tree.expr)
            case ast.Call():
                return max((self._reach(argument) for argument in tree.args), default=0.0)
            case ast.BinaryExpr():
                return max(self._reach(tree.lhs), self._reach(tree.rhs))
        return 0.0

    def record(self, store: GridStore) -> dict[str, Columns]:
        """Evaluate the recordings; adds them to the store, and returns them."""
        made: dict[str, Columns] = {}
        for rule in self.recordings:
            value = evaluate_grid(store, rule.expression)
            if not isinstance(value, Columns):
                value = Columns([()], value[None, :], np.ones((1, len(value)), np.bool_))
            labels = [
                labels_of(rule.record, {**dict(found), NAME: rule.record, **dict(rule.labels)})
                for found in value.labels
            ]
            columns = value._replace(labels=labels)
            store.add(rule.record, columns)
            made[rule.record] = store.families[rule.record]
        return made

    def holding(self, store: GridStore, first: int) -> Iterator[Runs]:
        """Where the conditions of alerts hold, from the place ``first`` of the store's grid on."""
        for number, alert in enumerate(self.alerts):
            value = evaluate_grid(store, alert.expression)
            if not isinstance(value, Columns):
                continue
            for labels, present in zip(value.labels, value.present[:, first:], strict=True):
                runs = runs_of(present)
                if runs:
                    yield Runs(number, without(labels, NAME), runs)


def runs_of(holds: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where an array is true: ``[first, end)`` of each run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


class Pending:
    """Conditions of one node's alerts over the pieces of a run: who fires, from when until when."""

    def __init__(self, alerts: Sequence[AlertRule], step_seconds: float) -> None:
        """Nothing holds yet."""
        self._alerts, self._step = alerts, step_seconds
        self._runs: dict[tuple[int, Labels], list[tuple[int, int]]] = {}

    def add(self, found: Runs, offset: int) -> None:
        """Runs of a piece that starts at the place ``offset`` of the whole grid."""
        known = self._runs.setdefault((found.alert, found.labels), [])
        for first, end in found.runs:
            if known and known[-1][1] == first + offset:
                known[-1] = known[-1][0], end + offset
            else:
                known.append((first + offset, end + offset))

    def runs(self, alert: int) -> list[tuple[int, int]]:
        """Where the condition of an alert holds for any series, as places in the grid."""
        return sorted(run for (number, _), runs in self._runs.items() if number == alert for run in runs)

    def firing(self) -> Iterator[tuple[int, Labels, int, int]]:
        """Alert, labels, and the places between which it fires: it ends where the condition first does not hold."""
        for (alert, labels), runs in self._runs.items():
            waits = -(-self._alerts[alert].lasting_seconds // self._step)
            for first, end in runs:
                if first + waits < end:
                    yield alert, labels, first + int(waits), end


def _widest(scopes: Sequence[Scope]) -> Scope:
    return next((scope for scope in (Scope.FLEET, Scope.NODE) if scope in scopes), Scope.CONSTANT)


def _kept_by(modifier: ast.AggModifier | None) -> bool:
    if modifier is None:
        return False
    return ("instance" in modifier.labels) is (modifier.type == ast.AggModifierType.By)


def _is_absence(tree: ast.Expr) -> bool:
    return isinstance(tree, ast.Call) and tree.func.name == "absent"


def _needs_all(tree: ast.Expr) -> UsageError:
    return UsageError(
        "the rule joins series of several nodes, which a run of a fleet does not support",
        where=f"PromQL {tree.prettify()!r}", mend="keep the label instance in aggregations and matches",
    )  # fmt: skip
