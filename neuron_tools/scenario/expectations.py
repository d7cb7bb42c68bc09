"""Expectations of a scenario, as sentences. Each form of sentence is a row with its pattern and its check."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection
from typing import NamedTuple

from neuron_tools.scenario.promql.evaluate import evaluate, parse
from neuron_tools.scenario.promql.rules import Firing
from neuron_tools.scenario.promql.series import SeriesStore
from neuron_tools.scenario.schema import ExpectationSpec, seconds_of
from runtime_core.errors import UsageError
from runtime_core.instance import InstanceType

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_OP = r"(?P<op>>=|<=|==|!=|>|<)"
_NUMBER = r"(?P<number>-?[0-9]+(\.[0-9]+)?)(?P<unit>%|ms|s|m|MiB|GiB)?"
_DURATION = r"(?P<duration>([0-9]+(\.[0-9]+)?(ms|s|m|h))+)"
_NAME = r"(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)"
_UNITS = {None: 1.0, "%": 0.01, "ms": 0.001, "s": 1.0, "m": 60.0, "MiB": 2.0**20, "GiB": 2.0**30}


INTERPOLATED = "interpolated in Prometheus buckets"
"""Origin of percentiles that can differ from those of the runtime's histogram by the width of a bucket."""


class Verdict(NamedTuple):
    """The result of an expectation; ``found``: the observation."""

    expectation: str
    met: bool
    found: str


class Moment(NamedTuple):
    """An event in the cluster; ``what`` is its name in expectations, e.g. ``node cordoned``."""

    seconds: float
    what: str


class Seen(NamedTuple):
    """The results of a run that expectations can check.

    Attributes:
        store: the series that were scraped and recorded.
        fired: every alert that fired.
        start_failures: tag -> why its application could not start.
        first_event_seconds: time of the first event on the node, 0 without events.
        mended_seconds: time at which the last event was over.
        end_seconds: end of the run.
        moments: events in the cluster, in order; empty without a cluster.
    """

    store: SeriesStore
    fired: list[Firing]
    start_failures: dict[str, str]
    first_event_seconds: float
    mended_seconds: float
    end_seconds: float
    moments: tuple[Moment, ...] = ()


class Expectation(NamedTuple):
    """A parsed expectation. ``judge`` returns whether it is met, and the observation; ``alert``: its alert, if any."""

    text: str
    judge: Callable[[Seen], tuple[bool, str]]
    alert: str | None = None


class _Form(NamedTuple):
    """A form of sentence, an example of it, and its check."""

    pattern: re.Pattern[str]
    example: str
    read: Callable[[re.Match[str], ExpectationSpec], Callable[[Seen], tuple[bool, str]]]


def _seconds(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") + " s"


def _alert_within(match: re.Match[str], spec: ExpectationSpec) -> Callable[[Seen], tuple[bool, str]]:
    name, limit = match["name"], seconds_of(match["duration"])

    def judge(seen: Seen) -> tuple[bool, str]:
        since = seen.first_event_seconds if spec.after is None else seconds_of(spec.after)
        times = [f.since_seconds for f in seen.fired if f.name == name and f.since_seconds >= since]
        if not times:
            return False, f"{name} never fired after {_seconds(since)}"
        return min(times) - since <= limit, f"fired {_seconds(min(times) - since)} after {_seconds(since)}"

    return judge


def _alert_ends(match: re.Match[str], spec: ExpectationSpec) -> Callable[[Seen], tuple[bool, str]]:
    name, limit = match["name"], seconds_of(match["duration"])

    def judge(seen: Seen) -> tuple[bool, str]:
        since = seen.mended_seconds if spec.after is None else seconds_of(spec.after)
        ends = [f.until_seconds for f in seen.fired if f.name == name]
        if not ends:
            return False, f"{name} never fired"
        if None in ends:
            return False, f"{name} still fires at the end"
        last = max(end for end in ends if end is not None)
        return last - since <= limit, f"ended {_seconds(last - since)} after {_seconds(since)}"

    return judge


def _no_alert(match: re.Match[str], spec: ExpectationSpec) -> Callable[[Seen], tuple[bool, str]]:
    name = match["name"]

    def judge(seen: Seen) -> tuple[bool, str]:
        found = sorted({f.name for f in seen.fired if name in (None, f.name)})
        return not found, f"fired: {', '.join(found)}" if found else "none fired"

    return judge


def _in_the_cluster(match: re.Match[str], spec: ExpectationSpec) -> Callable[[Seen], tuple[bool, str]]:
    what, limit = match["what"], seconds_of(match["duration"])

    def judge(seen: Seen) -> tuple[bool, str]:
        since = seen.first_event_seconds if spec.after is None else seconds_of(spec.after)
        times = [m.seconds for m in seen.moments if m.what == what and m.seconds >= since]
        if not times:
            return False, f"it did not happen after {_seconds(since)}"
        return times[0] - since <= limit, f"{_seconds(times[0] - since)} after {_seconds(since)}"

    return judge


def _fails_to_start(match: re.Match[str], spec: ExpectationSpec) -> Callable[[Seen], tuple[bool, str]]:
    tag = match["name"]
    return lambda seen: (tag in seen.start_failures, seen.start_failures.get(tag, "it started"))


def _query(match: re.Match[str], spec: ExpectationSpec) -> Callable[[Seen], tuple[bool, str]]:
    expression = match["query"]
    parse(expression)

    def judge(seen: Seen) -> tuple[bool, str]:
        value = evaluate(seen.store, expression, _at(spec, seen))
        if isinstance(value, float):
            return bool(value), f"{value:g}"
        return bool(value), ", ".join(f"{sample.value:g}" for sample in value[:5]) or "nothing"

    return judge


def _at(spec: ExpectationSpec, seen: Seen) -> float:
    return seen.end_seconds if spec.at is None else seconds_of(spec.at)


def _figure(
    expression: Callable[[re.Match[str], ExpectationSpec], str], unit: str = ""
) -> Callable[[re.Match[str], ExpectationSpec], Callable[[Seen], tuple[bool, str]]]:
    """A form that compares the only sample of a PromQL expression with a number."""

    def read(match: re.Match[str], spec: ExpectationSpec) -> Callable[[Seen], tuple[bool, str]]:
        compare, wanted = _OPERATORS[match["op"]], float(match["number"]) * _UNITS[match["unit"]]
        query = expression(match, spec)
        parse(query)

        def judge(seen: Seen) -> tuple[bool, str]:
            value = evaluate(seen.store, query, _at(spec, seen))
            if isinstance(value, float) or len(value) != 1 or value[0].value != value[0].value:
                return False, "not available"
            return compare(value[0].value, wanted), f"{value[0].value:.6g}{unit}"

        return judge

    return read


def _window(spec: ExpectationSpec) -> str:
    return f"[{max(1, round(seconds_of(spec.over)))}s]"


_FORMS: tuple[_Form, ...] = (
    _Form(re.compile(rf"alert {_NAME} within {_DURATION}"), "alert NeuronCoreHung within 90s", _alert_within),
    _Form(re.compile(rf"alert {_NAME} ends within {_DURATION}"), "alert NeuronCoreHung ends within 5m", _alert_ends),
    _Form(re.compile(rf"no alert( {_NAME})?"), "no alert", _no_alert),
    _Form(
        re.compile(rf"(?P<what>condition NeuronHealth (True|False)|node (cordoned|back)) within {_DURATION}"),
        "condition NeuronHealth False within 60s",
        _in_the_cluster,
    ),
    _Form(
        re.compile(rf"(?P<what>pod {_NAME} (running|evicted|rescheduled)) within {_DURATION}"),
        "pod web rescheduled within 5m",
        _in_the_cluster,
    ),
    _Form(re.compile(rf"{_NAME} fails to start"), "web fails to start", _fails_to_start),
    _Form(
        re.compile(rf"utilization core (?P<core>[0-9]+) {_OP} {_NUMBER}"),
        "utilization core 3 > 0.6",
        _figure(lambda m, s: f'avg_over_time(neuroncore_utilization_ratio{{neuroncore="{m["core"]}"}}{_window(s)})'),
    ),
    _Form(
        re.compile(rf"completed {_NAME} {_OP} {_NUMBER}"),
        "completed web > 1000",
        _figure(lambda m, s: f'execution_status_total{{runtime_tag="{m["name"]}",status_type="completed"}}'),
    ),
    _Form(
        re.compile(rf"(?P<class>generic|numerical|transient|model|runtime|hardware) errors {_NAME} {_OP} {_NUMBER}"),
        "hardware errors web == 0",
        _figure(lambda m, s: f'execution_errors_total{{runtime_tag="{m["name"]}",error_type="{m["class"]}"}}'),
    ),
    _Form(
        re.compile(
            rf"(?P<status>timed_out|failed_to_queue|completed_with_err|completed_with_num_err|incorrect_input) "
            rf"{_NAME} {_OP} {_NUMBER}"
        ),
        "timed_out web > 0",
        _figure(lambda m, s: f'execution_status_total{{runtime_tag="{m["name"]}",status_type="{m["status"]}"}}'),
    ),
    _Form(
        re.compile(rf"rate {_NAME} {_OP} {_NUMBER}"),
        "rate web > 100",
        _figure(
            lambda m, s: (
                f'rate(execution_status_total{{runtime_tag="{m["name"]}",status_type="completed"}}{_window(s)})'
            ),
            "/s",
        ),
    ),
    _Form(
        re.compile(rf"latency p(?P<percent>[0-9]{{1,2}}) {_NAME} {_OP} {_NUMBER}"),
        "latency p99 web < 50ms",
        _figure(
            lambda m, s: (
                f"histogram_quantile(0.{m['percent']:0>2}, rate(neuron_execution_duration_seconds_bucket"
                f'{{runtime_tag="{m["name"]}"}}{_window(s)}))'
            ),
            f" s ({INTERPOLATED})",
        ),
    ),
    _Form(
        re.compile(rf"(?P<event>(mem|sram)_ecc_(un)?corrected device (?P<device>[0-9]+)) {_OP} {_NUMBER}"),
        "mem_ecc_uncorrected device 0 == 1",
        _figure(
            lambda m, s: (
                f'hardware_ecc_events_total{{event_type="{m["event"].split()[0]}",neuron_device_index="{m["device"]}"}}'
            )
        ),
    ),
    _Form(
        re.compile(rf"devices {_OP} {_NUMBER}"),
        "devices == 3",
        _figure(lambda m, s: "count(neuron_device_memory_total_bytes)"),
    ),
    _Form(
        re.compile(rf"memory device (?P<device>[0-9]+) {_OP} {_NUMBER}"),
        "memory device 0 > 7GiB",
        _figure(lambda m, s: f'neuron_device_memory_used_bytes{{neuron_device_index="{m["device"]}"}}', " bytes"),
    ),
    _Form(re.compile(r"query (?P<query>.+)", re.S), "query sum(rate(execution_errors_total[1m])) > 5", _query),
)
EXAMPLES = tuple(form.example for form in _FORMS)


def parse_expectation(spec: ExpectationSpec, tags: Collection[str], size: InstanceType) -> Expectation:
    """Parse an expectation.

    Args:
        spec: the expectation in the file.
        tags: tags of the scenario's applications.
        size: size of its node.

    Raises:
        UsageError: the sentence has an unknown form, or names something that does not exist.
    """
    text = " ".join(spec.expect.split())
    for form in _FORMS:
        match = form.pattern.fullmatch(text)
        if match is None:
            continue
        groups = match.groupdict()
        about_alert = "alert" in text.split()[:2]
        if groups.get("name") and not about_alert and groups["name"] not in tags:
            raise UsageError(f"no application {groups['name']!r}: there are {', '.join(sorted(tags)) or 'none'}")
        if groups.get("core") and int(groups["core"]) >= size.core_count:
            raise UsageError(f"no NeuronCore {groups['core']}: {size.name} has 0 to {size.core_count - 1}")
        if text.startswith("utilization") and not 0 <= float(groups["number"]) * _UNITS[groups["unit"]] <= 1:
            raise UsageError("a utilization is 0 to 1", where=repr(text), mend="write 0.6 or 60%")
        if groups.get("device") and int(groups["device"]) >= size.device_count:
            raise UsageError(f"no Neuron Device {groups['device']}: {size.name} has 0 to {size.device_count - 1}")
        return Expectation(text, form.read(match, spec), groups.get("name") if about_alert else None)
    raise UsageError("unknown expectation", where=repr(text), mend=f"use a form such as {'; '.join(EXAMPLES[:6])}")


def check_alert(expectation: Expectation, names: Collection[str]) -> None:
    """Check that the alert of an expectation, if it has one, is among ``names``.

    Raises:
        UsageError: it is not.
    """
    if expectation.alert is not None and expectation.alert not in names:
        known = ", ".join(sorted(names))
        raise UsageError(f"unknown alert {expectation.alert}: expected one of {known}", where=f"{expectation.text!r}")
