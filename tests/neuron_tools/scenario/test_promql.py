"""Expressions give what Prometheus' own engine gives for the same series."""

import json
import math
import random
import re
import shutil
import subprocess

import numpy as np
import pytest

from dashboards.alerts import ALERTS
from dashboards.recordings import RECORDINGS
from neuron_tools.scenario.promql.evaluate import evaluate
from neuron_tools.scenario.promql.grid import Columns, GridStore, evaluate_grid
from neuron_tools.scenario.promql.rules import AlertRule, RecordingRule, Rules
from neuron_tools.scenario.promql.series import SeriesStore, labels_of
from runtime_core.errors import UsageError

STEP = 15
COUNT = 60


def counter(seed, start=0.0, resets=()):
    rng = random.Random(seed)
    value, values = start, []
    for number in range(COUNT):
        value = 0.0 if number in resets else value + rng.randrange(0, 50)
        values.append(value)
    return values


def gauge(seed):
    rng = random.Random(seed)
    return [round(rng.random(), 3) for _ in range(COUNT)]


SERIES = {
    ("c", (("a", "x"), ("k", "1"))): counter(1),
    ("c", (("a", "x"), ("k", "2"))): counter(2, 1000, resets={20}),
    ("c", (("a", "y"), ("k", "1"))): counter(3, 5)[:30] + [None] * 30,
    ("g", (("a", "x"),)): gauge(4),
    ("g", (("a", "y"),)): gauge(5)[:50] + [None] * 10,
    ("one", (("a", "x"), ("extra", "e"))): [2.0] * COUNT,
    **{
        ("h_bucket", (("a", "x"), ("le", bound))): [n * share for n in range(COUNT)]
        for bound, share in (("0.1", 1), ("0.5", 4), ("1", 9), ("+Inf", 10))
    },
}

EXPRESSIONS = [
    "c",
    'c{a="x",k!="2"}',
    'c{k=~"1|3"}',
    'c{k!~"1|3"}',
    "rate(c[5m])",
    "rate(c[1m])",
    "increase(c[2m])",
    "increase(c[15m])",
    "min_over_time(g[2m])",
    "max_over_time(g[5m])",
    "avg_over_time(g[90s])",
    "sum by (a) (rate(c[5m]))",
    "sum without (k) (c)",
    "count(c)",
    "max(g) - min(g)",
    "g > 0.5",
    "g > bool 0.5",
    "1 - g",
    "-g",
    "2 * 3 + 1",
    "g and on (a) c",
    "g unless on (a) one",
    "g or on (a) absent(nothing)",
    "c * on (a) group_left (extra) one",
    "sum by (a) (c) / on (a) one",
    "absent(nothing)",
    "absent(g)",
    "scalar(one) * g",
    "vector(3)",
    "histogram_quantile(0.5, rate(h_bucket[5m]))",
    "histogram_quantile(0.95, rate(h_bucket[5m]))",
    "histogram_quantile(0.99, h_bucket)",
    "c / 0",
    "count_over_time(c[3m])",
    "sum(c) == sum(c)",
]
TIMES = (30, 300, 315, 450, 700, 885)


def filled():
    store = SeriesStore()
    for number in range(COUNT):
        store.append(
            "t",
            number * STEP,
            [
                (name, labels_of(name, dict(labels)), values[number])
                for (name, labels), values in SERIES.items()
                if values[number] is not None
            ],
        )
    return store


def notation(values):
    return " ".join("stale" if v is None and i and values[i - 1] is not None else "_" if v is None else repr(v)
                    for i, v in enumerate(values))  # fmt: skip


def shown(labels):
    name = dict(labels).get("__name__", "")
    rest = ", ".join(f'{k}="{v}"' for k, v in labels if k != "__name__")
    return f"{name}{{{rest}}}"


def promtool_tests(folder, cases):
    """Run promtool's unit tests for (expression, second, samples)."""
    tests = [
        {
            "interval": f"{STEP}s",
            "input_series": [
                {"series": shown(labels_of(name, dict(labels))), "values": notation(values)}
                for (name, labels), values in SERIES.items()
            ],
            "promql_expr_test": [
                {
                    "expr": expression,
                    "eval_time": f"{second}s",
                    "exp_samples": [{"labels": shown(labels), "value": value} for labels, value in samples],
                }
                for expression, second, samples in cases
            ],
        }
    ]
    path = folder / "test.yml"
    # JSON is YAML; NaN and infinities are not in it, so no such value is compared.
    path.write_text(json.dumps({"rule_files": [], "evaluation_interval": f"{STEP}s", "tests": tests}))
    return subprocess.run(["promtool", "test", "rules", str(path)], capture_output=True, text=True)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_expressions_give_what_promtool_gives(tmp_path):
    store = filled()
    cases = []
    for expression in EXPRESSIONS:
        for second in TIMES:
            value = evaluate(store, expression, float(second))
            samples = [((), value)] if isinstance(value, float) else value
            if all(math.isfinite(v) for _, v in samples):
                cases.append((expression, second, samples))
    assert len(cases) > 150
    done = promtool_tests(tmp_path, cases)
    differing = re.findall(r"exp: (.*)\n\s*got: (.*)", done.stdout + done.stderr)
    assert bool(differing) == bool(done.returncode), done.stderr
    for expected, got in differing:
        # promtool compares to the last bit: sums in another order differ there.
        ours, theirs = (dict(re.findall(r"(\S*\{.*?\}) ([^ ,]+)", text)) for text in (expected, got))
        assert ours.keys() == theirs.keys() != set(), (expected, got)
        for labels, value in ours.items():
            assert float(value) == pytest.approx(float(theirs[labels]), rel=1e-12), (expected, got)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_the_comparison_would_see_a_difference(tmp_path):
    assert promtool_tests(tmp_path, [("vector(1)", 30, [((), 2.0)])]).returncode != 0


def test_a_counter_is_known_only_from_its_second_sample():
    store = SeriesStore()
    store.append("t", 0, [("c", labels_of("c", {}), 5.0)])
    assert evaluate(store, "rate(c[5m])", 0) == []
    store.append("t", 15, [("c", labels_of("c", {}), 35.0)])
    assert evaluate(store, "rate(c[5m])", 15)[0].value == pytest.approx(0.1, rel=0.2)


@pytest.mark.parametrize(
    "expression",
    ["sum(", "c offset 5m", "c @ 3", "topk(1, c)", "label_replace(c, 'a', 'b', 'c', 'd')", "rate(c[5m:1m])",
     "c % 2", "scalar(3)"],
)  # fmt: skip
def test_what_is_not_evaluated_is_refused_by_name(expression):
    with pytest.raises(UsageError, match="PromQL") as caught:
        evaluate(filled(), expression, 300.0)
    assert "\n" not in str(caught.value)


def test_an_alert_fires_after_its_time_and_ends_when_it_holds_no_more():
    store = SeriesStore()
    rules = Rules([RecordingRule("double", "2 * v")], [AlertRule("High", "double > 10", 30.0)])
    for second, value in enumerate([1, 1, 9, 9, 9, 9, 1, 9, 9, 9]):
        store.append("t", second * 15.0, [("v", labels_of("v", {"a": "x"}), float(value))])
        rules.evaluate(store, second * 15.0)
    assert [(f.name, f.labels, f.since_seconds, f.until_seconds) for f in rules.fired()] == [
        ("High", (("a", "x"),), 60.0, 90.0),
        ("High", (("a", "x"),), 135.0, None),
    ]


FURTHER = ["sum_over_time(g[1m])", "last_over_time(c[1m])", "min(g)", "time() * 2", "avg by (a) (c)", "rate(c[20s])"]


def grid():
    store = GridStore(np.arange(COUNT) * float(STEP), STEP)
    for (name, labels), values in SERIES.items():
        row = np.array([[math.nan if v is None else float(v) for v in values]])
        store.add(name, Columns([labels_of(name, dict(labels))], row, ~np.isnan(row)))
    return store


@pytest.mark.parametrize("expression", [*EXPRESSIONS, *FURTHER])
def test_a_grid_gives_what_each_time_gives(expression):
    store, found = filled(), evaluate_grid(grid(), expression)
    for number in range(COUNT):
        expected = evaluate(store, expression, float(number * STEP))
        if isinstance(expected, float):
            assert not isinstance(found, Columns)
            assert found[number] == pytest.approx(expected, nan_ok=True)
            continue
        assert isinstance(found, Columns)
        ours = {
            labels: float(values[number])
            for labels, values, present in zip(found.labels, found.values, found.present, strict=True)
            if present[number]
        }
        assert ours == pytest.approx({s.labels: s.value for s in expected}, nan_ok=True), number


@pytest.mark.parametrize("rule", [*ALERTS, *RECORDINGS], ids=lambda rule: rule[0])
def test_every_shipped_rule_is_supported(rule):
    evaluate_grid(grid(), rule.expr)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("rate(c[5m:1m])", "subqueries"),
        ("c offset 5m", "offset"),
        ("topk(2, c)", "topk"),
        ("label_replace(c, 'a', 'b', 'c', 'd')", "StringLiteral"),
        ("c % 2", "operator"),
        ("one * on (a) c", "several series"),
        ("1 and c", "expected series|set operator"),
    ],
)
def test_what_is_not_supported_is_refused(expression, text):
    with pytest.raises(UsageError, match=text):
        evaluate_grid(grid(), expression)
