"""What a run of a fleet must show, as sentences: each form is a row with its pattern and its figure."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection
from typing import NamedTuple

from dashboards.objectives import LATENCY_OBJECTIVE_SECONDS, SUCCESS_OBJECTIVE_RATIO
from neuron_tools.fleet.run.figures import Summary
from neuron_tools.scenario.expectations import INTERPOLATED, Verdict
from runtime_core.errors import UsageError

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
_UNITS = {None: 1.0, "%": 0.01, "ms": 0.001, "s": 1.0}
_OP = r"(?P<op>>=|<=|>|<)"
_NUMBER = r"(?P<number>[0-9]+(\.[0-9]+)?)"
_NAME = r"(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]*)"


class Expectation(NamedTuple):
    """A parsed expectation; ``judge`` returns whether it is met, and the figure."""

    text: str
    judge: Callable[[Summary], tuple[bool, str]]


class _Form(NamedTuple):
    """A form of sentence, an example, and the figure that it compares; ``about``: what ``name`` must be."""

    pattern: re.Pattern[str]
    example: str
    figure: Callable[[Summary, re.Match[str]], float | None]
    show: Callable[[float], str]
    about: str = ""


def _percent(value: float) -> str:
    return f"{value:.4%}"


def _quantile(summary: Summary, match: re.Match[str]) -> float | None:
    return summary.tags[match["name"]].quantile_seconds(int(match["percent"]) / 100)


_FORMS = (
    _Form(
        re.compile(rf"success {_NAME} {_OP} {_NUMBER}(?P<unit>%)"), "success web >= 99.9%",
        lambda s, m: s.tags[m["name"]].success_ratio, _percent, "tag",
    ),
    _Form(
        re.compile(rf"latency p(?P<percent>[0-9]{{1,2}}) {_NAME} {_OP} {_NUMBER}(?P<unit>ms|s)"),
        "latency p99 web < 100ms", _quantile, lambda value: f"{value * 1e3:.4g} ms ({INTERPOLATED})", "tag",
    ),
    _Form(
        re.compile(rf"availability {_OP} {_NUMBER}(?P<unit>%)"), "availability >= 99.5%",
        lambda s, _: s.availability_ratio, _percent,
    ),
    _Form(re.compile(rf"cost {_OP} {_NUMBER}"), "cost < 5000", lambda s, _: s.cost_usd, lambda value: f"${value:.2f}"),
    _Form(
        re.compile(rf"alerts {_NAME} {_OP} {_NUMBER}"), "alerts NeuronCoreHung <= 3",
        lambda s, m: s.fired(m["name"]), lambda value: f"fired {value:g} times", "alert",
    ),
    _Form(
        re.compile(rf"alerts without a cause {_OP} {_NUMBER}"), "alerts without a cause <= 0",
        lambda s, _: s.unexplained, lambda value: f"{value:g}",
    ),
)  # fmt: skip


def parse_expectation(sentence: str, tags: Collection[str], alerts: Collection[str]) -> Expectation:
    """Read an expectation.

    Raises:
        UsageError: the sentence has an unknown form, or names something that does not exist.
    """
    text = " ".join(sentence.split())
    for form in _FORMS:
        match = form.pattern.fullmatch(text)
        if match is None:
            continue
        known = {"tag": tags, "alert": alerts}.get(form.about, ())
        if form.about and match["name"] not in known:
            raise UsageError(f"no {form.about} {match['name']!r}", mend=f"one of {', '.join(sorted(known))}")
        if match.groupdict().get("unit") == "%" and float(match["number"]) > 100:
            raise UsageError(f"{match['number']}% is out of range: expected 0% to 100%", where=repr(text))
        return Expectation(text, _judge(form, match))
    raise UsageError(
        "unknown expectation", where=repr(text), mend=f"use a form such as {'; '.join(f.example for f in _FORMS)}"
    )


def _judge(form: _Form, match: re.Match[str]) -> Callable[[Summary], tuple[bool, str]]:
    compare = _OPERATORS[match["op"]]
    wanted = float(match["number"]) * _UNITS[match.groupdict().get("unit")]

    def judge(summary: Summary) -> tuple[bool, str]:
        value = form.figure(summary, match)
        if value is None or value != value:
            return False, "not available"
        return compare(value, wanted), form.show(value)

    return judge


def objectives(tags: Collection[str]) -> list[str]:
    """What a fleet promises whose file says nothing: the objectives behind the shipped rules."""
    found = []
    for tag in tags:
        found.append(f"success {tag} >= {SUCCESS_OBJECTIVE_RATIO * 100:g}%")
        found.append(f"latency p99 {tag} <= {LATENCY_OBJECTIVE_SECONDS * 1e3:g}ms")
    return found


def judged(sentences: Collection[str], summary: Summary) -> list[Verdict]:
    """The verdicts, in order.

    Raises:
        UsageError: see :func:`parse_expectation`.
    """
    parsed = [parse_expectation(sentence, summary.tags, summary.alert_names) for sentence in sentences]
    return [Verdict(expectation.text, *expectation.judge(summary)) for expectation in parsed]
