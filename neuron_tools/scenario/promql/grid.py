"""Evaluates PromQL at every time of a regular grid at once: rules over weeks of many nodes.

The language is that of :mod:`.evaluate`, with the same results; a test holds both to each other. Series are rows of
arrays, and a target is scraped at each time of the grid, just before rules are evaluated.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import promql_parser as ast
from numpy.typing import NDArray

from neuron_tools.scenario.promql.evaluate import (
    SETS,
    absent_labels,
    group_key,
    match_key,
    matcher,
    parse,
    refuse_shifts,
)
from neuron_tools.scenario.promql.functions import AGGREGATIONS, without
from neuron_tools.scenario.promql.ranges import RANGES
from neuron_tools.scenario.promql.series import NAME, Labels
from runtime_core.errors import UsageError

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]


class Columns(NamedTuple):
    """Series over the grid: a row per series in both arrays. ``values`` counts where ``present`` holds."""

    labels: list[Labels]
    values: Floats
    present: Bools

    def rows(self, wanted: Sequence[int]) -> Columns:
        """Some of the rows."""
        index = list(wanted)
        return Columns([self.labels[row] for row in index], self.values[index], self.present[index])


Value: TypeAlias = "Floats | Columns"
"""A number at each time, or series."""

_ARITHMETIC: dict[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}
_COMPARISONS: dict[str, Callable[[Floats, Floats], Bools]] = {
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
_FOLDS: dict[str, Callable[[Floats, Bools], Floats]] = {
    "sum": lambda values, present: np.where(present, values, 0.0).sum(axis=0),
    "min": lambda values, present: np.fmin.reduce(np.where(present, values, np.nan), axis=0),
    "max": lambda values, present: np.fmax.reduce(np.where(present, values, np.nan), axis=0),
    "avg": lambda values, present: np.where(present, values, 0.0).sum(axis=0) / np.maximum(present.sum(axis=0), 1),
    "count": lambda _values, present: present.sum(axis=0).astype(np.float64),
}
assert _FOLDS.keys() == AGGREGATIONS.keys()  # noqa: S101 - both evaluators know the same language


class GridStore:
    """The series of one target, or of few, over a grid."""

    def __init__(self, times_seconds: Floats, step_seconds: float) -> None:
        """No series yet; ``times_seconds`` are ``step_seconds`` apart."""
        self.times_seconds = times_seconds
        self.step_seconds = step_seconds
        self.families: dict[str, Columns] = {}
        self._ranges: dict[str, tuple[Columns, Columns]] = {}

    @property
    def empty(self) -> Columns:
        """No series."""
        shape = 0, len(self.times_seconds)
        return Columns([], np.zeros(shape), np.zeros(shape, np.bool_))

    def add(self, name: str, columns: Columns) -> None:
        """Add series to those of a name."""
        known = self.families.get(name)
        self.families[name] = columns if known is None else _stacked([known, columns])

    def select(self, name: str | None, match: Callable[[Labels], bool]) -> Columns:
        """The series that match."""
        families = self.families.values() if name is None else [self.families.get(name, self.empty)]
        found = []
        for family in families:
            rows = [row for row, labels in enumerate(family.labels) if match(labels)]
            found.append(family if len(rows) == len(family.labels) else family.rows(rows))
        return found[0] if len(found) == 1 else _stacked([self.empty, *found])

    def over_range(self, call: ast.Call, argument: ast.MatrixSelector) -> Columns:
        """A function over a range; rules that share it compute it once."""
        found = self.select(*matcher(argument.vector_selector.prettify()))
        text = call.prettify()
        known = self._ranges.get(text)
        if known is None or known[0].values is not found.values:
            span = argument.range.total_seconds()
            values, present = RANGES[call.func.name](found.values, found.present, span, self.step_seconds)
            known = self._ranges[text] = found, _nameless(Columns(found.labels, values, present))
        return known[1]


def evaluate_grid(store: GridStore, expression: str | ast.Expr) -> Value:
    """The value of ``expression`` at each time.

    Raises:
        UsageError: it is not valid PromQL, or uses a part of the language that is not supported here.
    """
    tree = parse(expression) if isinstance(expression, str) else expression
    with np.errstate(divide="ignore", invalid="ignore"):
        return _evaluate(store, tree)


def _evaluate(store: GridStore, tree: ast.Expr) -> Value:
    again = functools.partial(_evaluate, store)
    match tree:
        case ast.NumberLiteral():
            return np.full(len(store.times_seconds), tree.val)
        case ast.ParenExpr():
            return again(tree.expr)
        case ast.UnaryExpr():
            inner = again(tree.expr)
            return _nameless(inner._replace(values=-inner.values)) if isinstance(inner, Columns) else -inner
        case ast.VectorSelector():
            refuse_shifts(tree)
            return store.select(*matcher(tree.prettify()))
        case ast.Call():
            return _call(store, tree)
        case ast.AggregateExpr():
            return _aggregate(tree, _vector(again(tree.expr)))
        case ast.BinaryExpr():
            return _binary(tree, again(tree.lhs), again(tree.rhs))
    raise UsageError(f"{type(tree).__name__} is not supported in rules", where=f"PromQL {tree.prettify()!r}")


def _vector(value: Value) -> Columns:
    if not isinstance(value, Columns):
        raise UsageError("PromQL: expected series, not a number")
    return value


def _scalar(value: Value) -> Floats:
    if isinstance(value, Columns):
        raise UsageError("PromQL: expected a number, not series")
    return value


def _stacked(parts: Sequence[Columns]) -> Columns:
    return Columns(
        [labels for part in parts for labels in part.labels],
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.present for part in parts]),
    )


def _relabelled(columns: Columns, labels: list[Labels]) -> Columns:
    """With other labels; rows that become the same series are joined.

    Raises:
        UsageError: two of them have a value at the same time.
    """
    if len(set(labels)) == len(labels):
        return columns._replace(labels=labels)
    groups: dict[Labels, list[int]] = {}
    for row, key in enumerate(labels):
        groups.setdefault(key, []).append(row)
    joined = [_joined_rows(columns, rows, key) for key, rows in groups.items()]
    return Columns(list(groups), np.array([v for v, _ in joined]), np.array([p for _, p in joined]))


def _joined_rows(columns: Columns, rows: Sequence[int], key: Labels) -> tuple[Floats, Bools]:
    values, present = columns.values[rows[0]], columns.present[rows[0]]
    for row in rows[1:]:
        if (present & columns.present[row]).any():
            raise UsageError(f"PromQL: several series become {dict(key)}")
        values = np.where(columns.present[row], columns.values[row], values)
        present = present | columns.present[row]
    return values, present


def _nameless(columns: Columns) -> Columns:
    return _relabelled(columns, [without(labels, NAME) for labels in columns.labels])


def _call(store: GridStore, call: ast.Call) -> Value:
    name = call.func.name
    if name in RANGES:
        (argument,) = call.args
        if not isinstance(argument, ast.MatrixSelector):
            raise UsageError("subqueries are not supported in rules", where=f"PromQL {call.prettify()!r}")
        refuse_shifts(argument.vector_selector)
        return store.over_range(call, argument)
    arguments = [_evaluate(store, argument) for argument in call.args]
    match name:
        case "vector":
            number = _scalar(arguments[0])
            return Columns([()], number[None, :], np.ones((1, len(number)), np.bool_))
        case "scalar":
            found = _vector(arguments[0])
            only = found.present.sum(axis=0) == 1
            return np.where(only, np.where(found.present, found.values, 0.0).sum(axis=0), np.nan)
        case "absent":
            missing = np.logical_not(np.logical_or.reduce(_vector(arguments[0]).present, axis=0, keepdims=True))
            return Columns([absent_labels(call.args[0])], np.ones(missing.shape), missing)
        case "histogram_quantile":
            return _quantiles(_scalar(arguments[0]), _vector(arguments[1]))
        case "time":
            return store.times_seconds
    raise UsageError(f"{name} is not supported in rules", where=f"PromQL {call.prettify()!r}")


def _aggregate(tree: ast.AggregateExpr, columns: Columns) -> Columns:
    fold = _FOLDS.get(str(tree.op))
    if fold is None:
        raise UsageError(f"PromQL: the aggregation {tree.op} is not supported in rules")
    key_of = group_key(tree.modifier)
    groups: dict[Labels, list[int]] = {}
    for row, labels in enumerate(columns.labels):
        groups.setdefault(key_of(labels), []).append(row)
    shape = len(groups), columns.values.shape[1]
    values, present = np.zeros(shape), np.zeros(shape, np.bool_)
    for number, rows in enumerate(groups.values()):
        values[number] = fold(columns.values[rows], columns.present[rows])
        present[number] = columns.present[rows].any(axis=0)
    return Columns(list(groups), values, present)


def _binary(tree: ast.BinaryExpr, left: Value, right: Value) -> Value:
    op = str(tree.op)
    as_bool = tree.modifier is not None and tree.modifier.return_bool
    if op in SETS:
        return _set_operation(op, _vector(left), _vector(right), match_key(tree.modifier))
    if op not in _ARITHMETIC and op not in _COMPARISONS:
        raise UsageError(f"PromQL: the operator {op} is not supported in rules")
    if not isinstance(left, Columns) and not isinstance(right, Columns):
        return _ARITHMETIC[op](left, right) if op in _ARITHMETIC else _COMPARISONS[op](left, right).astype(np.float64)
    if not isinstance(right, Columns):
        columns = _vector(left)
        return _one(op, columns, columns.values, right, as_bool)
    if not isinstance(left, Columns):
        return _one(op, right, left, right.values, as_bool)
    return _joined(op, left, right, tree.modifier, as_bool)


def _one(op: str, kept: Columns, a: Floats, b: Floats, as_bool: bool) -> Columns:
    """Row by row: a comparison keeps the series' own value, and its name, or drops it."""
    if op in _ARITHMETIC:
        return _nameless(kept._replace(values=_ARITHMETIC[op](a, b)))
    holds = _COMPARISONS[op](a, b)
    if as_bool:
        return _nameless(kept._replace(values=holds.astype(np.float64)))
    return kept._replace(present=kept.present & holds)


def _set_operation(op: str, left: Columns, right: Columns, key: Callable[[Labels], Labels]) -> Columns:
    kept, other = (right, left) if op == "or" else (left, right)
    there: dict[Labels, Bools] = {}
    for labels, present in zip(other.labels, other.present, strict=True):
        known = there.get(key(labels))
        there[key(labels)] = present if known is None else known | present
    nowhere = np.zeros(kept.present.shape[1], np.bool_)
    met = np.array([there.get(key(labels), nowhere) for labels in kept.labels], np.bool_).reshape(kept.present.shape)
    some = kept._replace(present=kept.present & (met if op == "and" else ~met))
    return _stacked([left, some]) if op == "or" else some


def _joined(op: str, left: Columns, right: Columns, modifier: ast.BinModifier | None, as_bool: bool) -> Columns:
    """Vector against vector: one to one, or many to one with group_left (group_right)."""
    key = match_key(modifier)
    card = modifier.card if modifier is not None else ast.VectorMatchCardinality.OneToOne
    swapped = card == ast.VectorMatchCardinality.OneToMany
    many, one = (right, left) if swapped else (left, right)
    grouped = card in (ast.VectorMatchCardinality.ManyToOne, ast.VectorMatchCardinality.OneToMany)
    partners: dict[Labels, list[int]] = {}
    for row, labels in enumerate(one.labels):
        partners.setdefault(key(labels), []).append(row)
    found: list[tuple[Labels, int, int, Bools]] = []
    met: dict[Labels, Bools] = {}
    for row, labels in enumerate(many.labels):
        for partner in partners.get(key(labels), ()):
            both = many.present[row] & one.present[partner]
            if not both.any():
                continue
            # Prometheus refuses what matches several at one time.
            clash = met.get(labels if grouped else key(labels))
            if clash is not None and (clash & both).any():
                raise UsageError(f"PromQL: several series on one side of {op} match {dict(key(labels))}")
            met[labels if grouped else key(labels)] = both if clash is None else clash | both
            found.append((_joined_labels(op, labels, one.labels[partner], modifier, grouped, key), row, partner, both))
    if not found:
        return Columns([], many.values[:0], many.present[:0])
    rows, others = [row for _, row, _, _ in found], [partner for _, _, partner, _ in found]
    a, b = many.values[rows], one.values[others]
    kept = Columns([labels for labels, *_ in found], many.values[rows], np.array([both for *_, both in found]))
    result = _one(op, kept, *((b, a) if swapped else (a, b)), as_bool)
    return _relabelled(result, result.labels)


def _joined_labels(
    op: str,
    labels: Labels,
    partner: Labels,
    modifier: ast.BinModifier | None,
    grouped: bool,
    key: Callable[[Labels], Labels],
) -> Labels:
    if grouped and modifier is not None:
        extra = dict(partner)
        taken = {name: extra[name] for name in modifier.group_labels or () if name in extra}
        return tuple(sorted({**dict(labels), **taken}.items()))
    if op in _COMPARISONS:
        return key(labels) if modifier is not None and modifier.matching is not None else labels
    return key(labels)


def _quantiles(ratio: Floats, columns: Columns) -> Columns:
    """Quantiles of classic histograms, interpolated within the bucket; the label ``le`` is dropped."""
    groups: dict[Labels, list[tuple[float, int]]] = {}
    for row, labels in enumerate(columns.labels):
        bound = dict(labels).get("le")
        if bound is not None:
            groups.setdefault(without(labels, "le", NAME), []).append((float(bound), row))
    shape = len(groups), columns.values.shape[1]
    values, present = np.zeros(shape), np.zeros(shape, np.bool_)
    for number, buckets in enumerate(groups.values()):
        bounds, rows = np.array([bound for bound, _ in sorted(buckets)]), [row for _, row in sorted(buckets)]
        # A page has all buckets of a histogram or none.
        present[number] = columns.present[rows].all(axis=0)
        values[number] = _quantile(ratio, bounds, columns.values[rows])
    return Columns(list(groups), values, present)


def _quantile(ratio: Floats, bounds: Floats, counts: Floats) -> Floats:
    total = counts[-1]
    if len(bounds) < 2 or not np.isinf(bounds[-1]):
        return np.full(len(total), np.nan)
    rank = ratio * total
    reached = counts >= rank
    index = np.where(reached.any(axis=0), reached.argmax(axis=0), len(bounds) - 1)
    times = np.arange(len(total))
    below = np.where(index > 0, counts[index - 1, times], 0.0)
    lower = np.where(index > 0, bounds[index - 1], 0.0)
    upper, count = bounds[index], counts[index, times]
    inside = lower + (upper - lower) * (rank - below) / (count - below)
    first = (index == 0) & (upper <= 0)
    found = np.where(index == len(bounds) - 1, bounds[-2], np.where(first, upper, inside))
    return np.where((total == 0) | np.isnan(total), np.nan, found)
