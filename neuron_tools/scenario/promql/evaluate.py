"""Evaluates PromQL expressions at one time: the part of the language that rules and expectations use.

The grammar is promql-parser's; unsupported parts of the language are refused by name.
"""

from __future__ import annotations

import functools
import math
import operator
import re
from collections.abc import Callable
from typing import TypeAlias

import promql_parser as ast

from neuron_tools.scenario.promql.functions import (
    AGGREGATIONS,
    RANGE_FUNCTIONS,
    histogram_quantile,
    without,
)
from neuron_tools.scenario.promql.series import NAME, Labels, Sample, SeriesStore
from runtime_core.errors import UsageError

Value: TypeAlias = "float | list[Sample]"

_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda a, b: a / b if b else (math.nan if not a or math.isnan(a) else math.copysign(math.inf, a)),
}
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
SETS = ("and", "or", "unless")


@functools.cache
def parse(expression: str) -> ast.Expr:
    """The expression's tree.

    Raises:
        UsageError: it is not valid PromQL.
    """
    try:
        return ast.parse(expression)
    except ValueError as error:
        raise UsageError(f"{error}", where=f"PromQL {expression!r}") from None


@functools.cache
def matcher(selector: str) -> tuple[str | None, Callable[[Labels], bool]]:
    """The metric's name and the condition on labels of a selector in its canonical text."""
    tree = ast.parse(selector)
    assert isinstance(tree, ast.VectorSelector)  # noqa: S101 - it is the text of one
    conditions: list[Callable[[dict[str, str]], bool]] = []
    for m in tree.matchers.matchers:
        conditions.append(_condition(m.op, m.name, m.value))
    return tree.name, lambda labels: all(holds(dict(labels)) for holds in conditions)


def _condition(op: ast.MatchOp, name: str, value: str) -> Callable[[dict[str, str]], bool]:
    if op in (ast.MatchOp.Equal, ast.MatchOp.NotEqual):
        wanted = op == ast.MatchOp.Equal
        return lambda labels: (labels.get(name, "") == value) is wanted
    pattern, hit = re.compile(value), op == ast.MatchOp.Re
    return lambda labels: (pattern.fullmatch(labels.get(name, "")) is not None) is hit


def evaluate(store: SeriesStore, expression: str | ast.Expr, at_seconds: float) -> Value:
    """The value of ``expression`` over ``store``: a number, or samples.

    Raises:
        UsageError: it is not valid PromQL, or uses a part of the language that is not supported here.
    """
    tree = parse(expression) if isinstance(expression, str) else expression
    again = functools.partial(evaluate, store, at_seconds=at_seconds)
    match tree:
        case ast.NumberLiteral():
            return tree.val
        case ast.ParenExpr():
            return again(tree.expr)
        case ast.UnaryExpr():
            inner = again(tree.expr)
            if isinstance(inner, float):
                return -inner
            return [Sample(without(labels, NAME), -value) for labels, value in inner]
        case ast.VectorSelector():
            refuse_shifts(tree)
            return store.instant(*matcher(tree.prettify()), at_seconds)
        case ast.Call():
            return _call(store, tree, at_seconds)
        case ast.AggregateExpr():
            return _aggregate(tree, _vector(again(tree.expr)))
        case ast.BinaryExpr():
            return _binary(tree, again(tree.lhs), again(tree.rhs))
    raise UsageError(f"{type(tree).__name__} is not supported in scenarios", where=f"PromQL {tree.prettify()!r}")


def refuse_shifts(selector: ast.VectorSelector) -> None:
    """Refuse what a selector must not have here.

    Raises:
        UsageError: it has ``offset`` or ``@``.
    """
    if selector.offset is not None or selector.at is not None:
        raise UsageError("offset and @ are not supported in scenarios", where=f"PromQL {selector.prettify()!r}")


def absent_labels(argument: ast.Expr) -> Labels:
    """The labels of ``absent(argument)``: those that the selector names."""
    if not isinstance(argument, ast.VectorSelector):
        return ()
    equal = [m for m in argument.matchers.matchers if m.op == ast.MatchOp.Equal and m.name != NAME]
    return tuple(sorted((m.name, m.value) for m in equal))


def _vector(value: Value) -> list[Sample]:
    if isinstance(value, float):
        raise UsageError("PromQL: expected series, not a number")
    return value


def _scalar(value: Value) -> float:
    if not isinstance(value, float):
        raise UsageError("PromQL: expected a number, not series")
    return value


def _call(store: SeriesStore, call: ast.Call, at_seconds: float) -> Value:
    name = call.func.name
    if name in RANGE_FUNCTIONS:
        (argument,) = call.args
        if not isinstance(argument, ast.MatrixSelector):
            raise UsageError("subqueries are not supported in scenarios", where=f"PromQL {call.prettify()!r}")
        refuse_shifts(argument.vector_selector)
        span = argument.range.total_seconds()
        windows = store.window(*matcher(argument.vector_selector.prettify()), at_seconds, span)
        results = ((w.labels, RANGE_FUNCTIONS[name](w, at_seconds, span)) for w in windows)
        return [Sample(without(labels, NAME), value) for labels, value in results if value is not None]
    arguments = [evaluate(store, argument, at_seconds) for argument in call.args]
    match name:
        case "vector":
            return [Sample((), _scalar(arguments[0]))]
        case "scalar":
            found = _vector(arguments[0])
            return found[0].value if len(found) == 1 else math.nan
        case "absent":
            return [] if _vector(arguments[0]) else [Sample(absent_labels(call.args[0]), 1.0)]
        case "histogram_quantile":
            return histogram_quantile(_scalar(arguments[0]), _vector(arguments[1]))
        case "time":
            return at_seconds
    raise UsageError(f"{name} is not supported in scenarios", where=f"PromQL {call.prettify()!r}")


def _aggregate(tree: ast.AggregateExpr, samples: list[Sample]) -> list[Sample]:
    fold = AGGREGATIONS.get(str(tree.op))
    if fold is None:
        raise UsageError(f"PromQL: the aggregation {tree.op} is not supported in scenarios")
    keep_of = group_key(tree.modifier)
    groups: dict[Labels, list[float]] = {}
    for labels, value in samples:
        groups.setdefault(keep_of(labels), []).append(value)
    return [Sample(labels, fold(values)) for labels, values in groups.items()]


def group_key(modifier: ast.AggModifier | None) -> Callable[[Labels], Labels]:
    """From a series' labels to those of its group."""
    if modifier is None:
        return lambda _: ()
    names = frozenset(modifier.labels)
    if modifier.type == ast.AggModifierType.By:
        return lambda labels: tuple(pair for pair in labels if pair[0] in names)
    return lambda labels: without(labels, NAME, *names)


def match_key(modifier: ast.BinModifier | None) -> Callable[[Labels], Labels]:
    """From a series' labels to those that its partner must have."""
    matching = modifier.matching if modifier is not None else None
    if matching is None:
        return lambda labels: without(labels, NAME)
    names = frozenset(matching.labels)
    if matching.type == ast.LabelModifierType.Include:
        return lambda labels: tuple(pair for pair in labels if pair[0] in names)
    return lambda labels: without(labels, NAME, *names)


def _binary(tree: ast.BinaryExpr, left: Value, right: Value) -> Value:
    op = str(tree.op)
    as_bool = tree.modifier is not None and tree.modifier.return_bool
    if op in SETS:
        return _set_operation(op, _vector(left), _vector(right), match_key(tree.modifier))
    if op not in _ARITHMETIC and op not in _COMPARISONS:
        raise UsageError(f"PromQL: the operator {op} is not supported in scenarios")
    if isinstance(left, float) and isinstance(right, float):
        return _ARITHMETIC[op](left, right) if op in _ARITHMETIC else float(_COMPARISONS[op](left, right))
    if isinstance(right, float):
        return [s for labels, v in _vector(left) for s in _one(op, labels, v, right, v, as_bool)]
    if isinstance(left, float):
        return [s for labels, v in right for s in _one(op, labels, left, v, v, as_bool)]
    return _joined(op, left, right, tree.modifier, as_bool)


def _one(op: str, labels: Labels, a: float, b: float, kept: float, as_bool: bool) -> list[Sample]:
    """The result for one pair: a comparison keeps the series' own value, and its name, or drops it."""
    if op in _ARITHMETIC:
        return [Sample(without(labels, NAME), _ARITHMETIC[op](a, b))]
    holds = _COMPARISONS[op](a, b)
    if as_bool:
        return [Sample(without(labels, NAME), float(holds))]
    return [Sample(labels, kept)] if holds else []


def _set_operation(op: str, left: list[Sample], right: list[Sample], key: Callable[[Labels], Labels]) -> list[Sample]:
    if op == "or":
        have = {key(labels) for labels, _ in left}
        return left + [s for s in right if key(s.labels) not in have]
    there = {key(labels) for labels, _ in right}
    return [s for s in left if (key(s.labels) in there) is (op == "and")]


def _joined(
    op: str, left: list[Sample], right: list[Sample], modifier: ast.BinModifier | None, as_bool: bool
) -> list[Sample]:
    """Vector against vector: one to one, or many to one with group_left (group_right)."""
    key = match_key(modifier)
    card = modifier.card if modifier is not None else ast.VectorMatchCardinality.OneToOne
    swapped = card == ast.VectorMatchCardinality.OneToMany
    many, one = (right, left) if swapped else (left, right)
    partners: dict[Labels, Sample] = {}
    for sample in one:
        if partners.setdefault(key(sample.labels), sample) is not sample:
            raise UsageError(f"PromQL: several series on the one side of {op} match {dict(key(sample.labels))}")
    grouped = card in (ast.VectorMatchCardinality.ManyToOne, ast.VectorMatchCardinality.OneToMany)
    seen: set[Labels] = set()
    found = []
    for sample in many:
        partner = partners.get(key(sample.labels))
        if partner is None:
            continue
        if not grouped and key(sample.labels) in seen:
            raise UsageError(f"PromQL: several series on the left of {op} match: group_left is missing")
        seen.add(key(sample.labels))
        a, b = (partner.value, sample.value) if swapped else (sample.value, partner.value)
        labels = sample.labels if grouped or op in _COMPARISONS else key(sample.labels)
        if grouped and modifier is not None:
            extra = dict(partner.labels)
            taken = {name: extra[name] for name in modifier.group_labels or () if name in extra}
            labels = tuple(sorted({**dict(labels), **taken}.items()))
        elif op in _COMPARISONS and modifier is not None and modifier.matching is not None:
            labels = key(sample.labels)
        found += _one(op, labels, a, b, sample.value, as_bool)
    return found
