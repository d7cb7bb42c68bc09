"""Read a scenario file; errors name the line."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
import yaml

from dashboards.alerts import ALERTS
from neuron_tools.scenario.arrivals import read_trace
from neuron_tools.scenario.expectations import check_alert, parse_expectation
from neuron_tools.scenario.promql.series import LOOKBACK_SECONDS
from neuron_tools.scenario.schema import DURATION, EventSpec, Scenario, nanoseconds_of, seconds_of
from neuron_tools.scenario.wording import explain
from runtime_core.driver.faults.spec import FaultSpec, check_spec
from runtime_core.errors import NeuronError, UsageError
from runtime_core.files import read_regular
from runtime_core.instance import InstanceType, instance_type
from runtime_core.ranges import parse_ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")
_MAX_BYTES = 1 << 20
_ACTIONS = ("fault", "clear", "kill", "hold", "reset", "monitor")
_ARRIVALS = ("constant", "poisson", "diurnal", "trace", "closed")


class ScenarioError(UsageError):
    """An invalid scenario file: the message names the file and the line."""


class _Lines(dict[str, int]):
    """Path as msgspec writes it (``$.applications[0].tag``) -> line."""

    def of(self, path: str) -> int:
        """Return the line of a path, or of the nearest path that contains it."""
        while path not in self and path:
            path = path[: max(path.rfind("."), path.rfind("["))] if "." in path or "[" in path else ""
        return self.get(path, 1)


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario file (YAML).

    Raises:
        ScenarioError: it cannot be read or is invalid.
    """
    return parse_scenario(read_scenario(path), path)


def read_scenario(path: Path) -> bytes:
    """Read the bytes of a scenario file.

    Raises:
        ScenarioError: it cannot be read.
    """
    try:
        return read_regular(path, _MAX_BYTES)
    except OSError as error:
        raise ScenarioError(f"cannot read the file: {error.strerror}", where=str(path)) from None


def parse_scenario(raw: bytes, path: Path) -> Scenario:
    """Parse a file's bytes. ``path`` is used in messages, and its folder for model files."""
    return parse_checked(raw, path, Scenario, scenario_problems)


def parse_checked(raw: bytes, path: Path, kind: type[T], problems: Callable[[T, Path], Iterator[tuple[str, str]]]) -> T:
    """Read a YAML file of one kind.

    Args:
        raw: bytes of the file.
        path: the file, for messages and for the folder of its models.
        kind: type of its content.
        problems: returns problems that a schema cannot express, as (place, problem).

    Raises:
        ScenarioError: the file is invalid; the message names the line.
    """
    lines = _Lines()
    try:
        text = raw.decode()
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if isinstance(token, yaml.AliasToken | yaml.AnchorToken | yaml.TagToken):
                line = token.start_mark.line + 1
                raise ScenarioError("anchors, aliases and tags are not supported", where=f"{path}:{line}")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        tree = _plain(node, "$", lines) if node is not None else None
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path} is not text: byte {error.start} is not UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ScenarioError(
            f"invalid YAML: {error.problem}", where=f"{path}:{(mark.line + 1 if mark else 1)}"
        ) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ScenarioError(f"invalid YAML: {' '.join(str(error).split())}", where=str(path)) from None
    try:
        made = msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        place, problem = explain(error, tree, kind)
        inside = place.removeprefix("$").removeprefix(".")
        raise ScenarioError(f"{inside}: {problem}" if inside else problem, where=f"{path}:{lines.of(place)}") from None
    for place, problem in chain(_durations(tree), problems(made, path)):
        raise ScenarioError(f"{place.removeprefix('$.')}: {problem}", where=f"{path}:{lines.of(place)}")
    return made


def _durations(value: object, place: str = "$") -> Iterator[tuple[str, str]]:
    """Return the durations of a tree that are out of range."""
    if isinstance(value, str) and DURATION.search(value):
        try:
            seconds_of(value)
        except UsageError as error:
            yield place, error.what
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _durations(inner, f"{place}.{name}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _durations(inner, f"{place}[{index}]")


def _plain(node: yaml.Node, place: str, lines: _Lines) -> object:
    """Plain values of a YAML tree, with their lines."""
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        made: dict[str, object] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in made:
                raise yaml.MarkedYAMLError(problem=f"{name!r} is given twice", problem_mark=key.start_mark)
            lines[f"{place}.{name}"] = key.start_mark.line + 1
            made[name] = _plain(value, f"{place}.{name}", lines)
        return made
    if isinstance(node, yaml.SequenceNode):
        return [_plain(value, f"{place}[{i}]", lines) for i, value in enumerate(node.value)]
    text = str(node.value)
    match node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() in ("true", "yes", "on")
        case "int" if re.fullmatch(r"[-+]?[0-9]{1,18}", text):
            return int(text)
        case "float" if re.fullmatch(r"[-+]?[0-9]{0,18}\.?[0-9]{0,18}([eE][-+]?[0-9]{1,3})?", text):
            return float(text)
    return text


def fault_spec(event: EventSpec) -> FaultSpec:
    """Return the fault of an event that injects one."""
    assert event.fault is not None  # noqa: S101 - the caller looked
    return FaultSpec(
        event.fault,
        parse_ranges(event.devices) if event.devices else (),
        parse_ranges(event.cores) if event.cores else (),
        event.ratio,
        event.rate,
        event.count,
        event.factor,
        event.share,
        event.free_bytes,
        event.side,
        event.error,
        event.driver_version,
        0.0,
        nanoseconds_of(event.lasting) / 1e9 if event.lasting else None,
    )


def scenario_problems(scenario: Scenario, path: Path) -> Iterator[tuple[str, str]]:
    """Problems that a schema cannot express, as (place, problem)."""
    try:
        size = instance_type(scenario.instance)
    except UsageError as error:
        yield "$.instance", str(error)
        return
    if not 0 < nanoseconds_of(scenario.duration) <= 31 * 86400 * 10**9:
        yield "$.duration", "expected more than 0, up to 31 days"
    sample_ns = nanoseconds_of(scenario.sample)
    if not 10**9 <= sample_ns < LOOKBACK_SECONDS * 10**9:
        yield "$.sample", "expected 1s or more and less than 5m, after which Prometheus forgets a sample"
    elif sample_ns > nanoseconds_of(scenario.duration):
        yield (
            "$.sample",
            f"{scenario.sample} is longer than the duration, so no rule would be evaluated: use a shorter one",
        )
    for name, model in scenario.models.items():
        if [model.neff, model.onnx, model.milliseconds].count(None) != 2:
            yield f"$.models.{name}", "expected one of neff, onnx and milliseconds"
        for file in (model.neff, model.onnx):
            if file is not None:
                yield from _file_problems(f"$.models.{name}", path.parent, file, "model")
    yield from _application_problems(scenario, path, size)
    for number, event in enumerate(scenario.timeline):
        for problem in _event_problems(scenario, event, size):
            yield f"$.timeline[{number}]", problem
    if not scenario.expectations:
        yield "$.expectations", "expected at least one expectation"
    tags = {a.tag for a in scenario.applications}
    for number, expectation in enumerate(scenario.expectations):
        try:
            check_alert(parse_expectation(expectation, tags, size), {alert.name for alert in ALERTS})
        except NeuronError as error:
            yield f"$.expectations[{number}].expect", str(error)


def _file_problems(place: str, folder: Path, file: str, what: str) -> Iterator[tuple[str, str]]:
    """Scenarios are untrusted, so their files must be in the scenario's folder or below."""
    target = folder / file
    if "\0" in file or not target.resolve().is_relative_to(folder.resolve()):
        yield place, f"{file!r} leads out of the scenario's folder"
    elif not target.is_file():
        yield place, f"{what} file {target} not found"


def _trace_problems(place: str, folder: Path, file: str) -> Iterator[tuple[str, str]]:
    found = list(_file_problems(place, folder, file, "trace"))
    yield from found
    if not found:
        try:
            read_trace(folder / file)
        except NeuronError as error:
            yield place, str(error)


def _application_problems(scenario: Scenario, path: Path, size: InstanceType) -> Iterator[tuple[str, str]]:
    for number, application in enumerate(scenario.applications):
        place = f"$.applications[{number}]"
        if not application.models:
            yield f"{place}.models", "expected at least one model"
        for model in application.models:
            if model not in scenario.models:
                yield f"{place}.models", f"no model {model!r}: there are {', '.join(scenario.models) or 'none'}"
        if (application.cores is None) is (application.pod is None):
            yield place, "expected one of cores and pod"
            continue
        if application.pod is not None and [*msgspec.structs.astuple(application.pod)].count(None) != 1:
            yield f"{place}.pod", "expected one of neuron and neuroncore"
        try:
            cores = parse_ranges(application.cores) if application.cores is not None else (0,)
        except ValueError as error:
            yield f"{place}.cores", str(error)
            continue
        if cores[-1] >= size.core_count:
            yield f"{place}.cores", f"no NeuronCore {cores[-1]}: {size.name} has 0 to {size.core_count - 1}"
        chosen = [name for name in _ARRIVALS if getattr(application.arrivals, name) is not None]
        if len(chosen) != 1:
            yield f"{place}.arrivals", f"expected one of {', '.join(_ARRIVALS)}"
        trace = application.arrivals.trace
        if trace is not None:
            yield from _trace_problems(f"{place}.arrivals.trace", path.parent, trace)
        if application.end and nanoseconds_of(application.end) <= nanoseconds_of(application.start):
            yield f"{place}.end", "it ends before it starts"


def _event_problems(scenario: Scenario, event: EventSpec, size: InstanceType) -> Iterator[str]:
    chosen = [name for name in _ACTIONS if getattr(event, name) is not None]
    if len(chosen) != 1:
        yield f"expected one of {', '.join(_ACTIONS)}"
        return
    if nanoseconds_of(event.at) > nanoseconds_of(scenario.duration):
        yield "it comes after the scenario's end"
    if event.fault is not None:
        try:
            check_spec(fault_spec(event), size.device_count)
        except NeuronError as error:
            yield str(error)
    for tag in (event.kill, event.hold):
        if tag is not None and tag not in {a.tag for a in scenario.applications}:
            yield f"no application {tag!r}"
    if event.hold is not None and event.lasting is None:
        yield "'for' is missing: hold requires a duration"
    if event.reset is not None and event.reset >= size.device_count:
        yield f"no Neuron Device {event.reset}: {size.name} has 0 to {size.device_count - 1}"
