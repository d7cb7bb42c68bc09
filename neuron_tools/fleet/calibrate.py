"""What a node does in a state, measured once on the execution-by-execution node: a page, and how its counters grow.

A state is the rate of each application and the faults that are active. Its node runs under the virtual clock for a
window; counters of an application grow per execution that ended, those of the node per second. So latencies, queueing,
contention for memory, and all that a fault does are those of the engine and not of a second model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from neuron_monitor.collector import Collector
from neuron_monitor.config import default_config
from neuron_monitor.prometheus.from_node import NodeFeed
from neuron_monitor.prometheus.seen import Problem, identity
from neuron_monitor.prometheus.table import INSTANCE_LABELS
from neuron_monitor.prometheus.text import Format, Renderer, escape, page_of
from neuron_monitor.prometheus.totals import Totals
from neuron_monitor.report import Report
from neuron_tools.fleet.schema import Fleet, GroupSpec, scenario_of
from neuron_tools.scenario.load import fault_spec
from neuron_tools.scenario.schema import ApplicationSpec, Arrivals, EventSpec
from neuron_tools.scenario.virtual_world import VirtualWorld
from neuron_tools.scenario.world import StartError
from runtime_core.errors import UsageError

INSTANCE, BOOT = "\x01", "\x02"
"""Stand for the instance labels, and for the Unix time of the boot."""

_WARM_NS = 5 * 10**9
_LEAST_SECONDS, _MOST_SECONDS, _WANTED, _MOST_EXECUTIONS = 20.0, 3600.0, 2000, 200_000
_TAG = re.compile(r'runtime_tag="((?:[^"\\]|\\.)*)"')
_COUNTS = ("counter", "histogram")
_UTILIZATION = "neuroncore_utilization_ratio"


class State(NamedTuple):
    """``rates``: requests per second of each application (``None``: closed); ``faults``: those active."""

    rates: tuple[float | None, ...]
    faults: tuple[EventSpec, ...] = ()


class Calibration(NamedTuple):
    """A state's page and growth. Arrays are by slot: a value of the page that moves.

    Attributes:
        text: the page: before the instance labels of a line, the labels, what follows them, and the value, and so on.
        values: of the lines as they stand in ``text``, those that move empty.
        slots: the line of each slot.
        boots: lines whose value is the time of the boot.
        series: of each slot, its name and labels.
        slope: growth per unit of the slot's driver.
        driver: index of the application whose ended executions drive it; behind the last: seconds.
        decimal: whether the value is not whole.
        gauge: whether the value is the growth of the last period and not the sum of all.
        ended_per_second: of each application, as measured.
        latency_ns: mean time between an arrival and its end.
        report: of the window.
        problems: what its monitor finds wrong at the end of the window.
    """

    text: tuple[str, ...]
    values: tuple[str, ...]
    slots: tuple[int, ...]
    boots: tuple[int, ...]
    series: tuple[str, ...]
    slope: NDArray[np.float64]
    driver: NDArray[np.int64]
    decimal: NDArray[np.bool_]
    gauge: NDArray[np.bool_]
    ended_per_second: tuple[float, ...]
    latency_ns: tuple[int, ...]
    report: Report
    problems: tuple[Problem, ...]


class Line(NamedTuple):
    """A sample of a page: its name and labels, its value, and the type of its family."""

    head: str
    value: str
    kind: str


def lines_of(page: str) -> Iterable[str | Line]:
    """The lines of a page; comments as they are."""
    kind = ""
    for line in page.splitlines():
        if line.startswith("#"):
            if line.startswith("# TYPE "):
                kind = line.rpartition(" ")[2]
            yield line
        else:
            head, _, value = line.rpartition(" ")
            yield Line(head, value, kind)


class NodePages:
    """Pages of a node in a world, as its neuron-monitor shows them."""

    def __init__(self, world: VirtualWorld) -> None:
        """Look at the node for the first time."""
        self._world = world
        self._collector = Collector(world.source, default_config(), world.clock_ns())
        self._feed, self._totals, self._renderer = NodeFeed(), Totals(), Renderer()
        self.labels = ""
        self.report: Report | None = None
        self.problems: tuple[Problem, ...] = ()

    def page(self) -> str:
        """The page of now; gauges are about the time since the last one."""
        look = self._collector.collect(self._world.clock_ns(), everything=True)
        node = self._feed.take(look)
        self.report, self.problems = look.report, node.problems or ()
        self.labels = labels_of(identity(node.instance))
        return page_of(self._renderer.families(node, self._totals.update(node.runtimes)), Format.TEXT)


def labels_of(values: Iterable[str]) -> str:
    """The instance labels as they stand in a page."""
    return ",".join(f'{name}="{escape(value)}"' for name, value in zip(INSTANCE_LABELS, values, strict=True))


def at_rate(application: ApplicationSpec, rate: float | None) -> ApplicationSpec:
    """The application under a steady load."""
    if rate is None:
        return application
    steady = Arrivals(constant=rate) if application.arrivals.constant is not None else Arrivals(poisson=rate)
    return msgspec.structs.replace(application, arrivals=steady)


def calibrate(fleet: Fleet, group: GroupSpec, folder: Path, state: State, *, reduced: bool = False) -> Calibration:
    """Measure a state.

    Raises:
        UsageError: an application of the group cannot start, or cannot serve its rate.
        NeuronError: a model cannot be read.
    """
    world = VirtualWorld(scenario_of(fleet, group, []), folder, fleet.seed)
    try:
        for number, (application, rate) in enumerate(zip(group.applications, state.rates, strict=True)):
            try:
                world.start(number, at_rate(application, rate))
            except StartError as error:
                raise UsageError(
                    f"the application {application.tag!r} cannot start: {error}", where=f"group {group.name!r}"
                ) from None
        for fault in state.faults:
            world.inject(fault_spec(msgspec.structs.replace(fault, lasting=None)))
        world.advance(_WARM_NS)
        pages = NodePages(world)
        before = pages.page()
        seconds = _window_seconds(state)
        world.advance(_WARM_NS + round(seconds * 1e9))
        after = pages.page()
    finally:
        world.close()
    made = _calibration(group, before, after, pages, seconds, reduced=reduced)
    if not state.faults:
        _check_served(group, state, made, seconds)
    return made


def _window_seconds(state: State) -> float:
    rates = [rate for rate in state.rates if rate is not None]
    wanted = max(_LEAST_SECONDS, min(_MOST_SECONDS, _WANTED / min(rates))) if rates else _LEAST_SECONDS
    return max(_LEAST_SECONDS, min(wanted, _MOST_EXECUTIONS / (sum(rates) or 1)))


def _check_served(group: GroupSpec, state: State, made: Calibration, seconds: float) -> None:
    for application, rate, ended in zip(group.applications, state.rates, made.ended_per_second, strict=True):
        if rate is not None and ended < rate * (1 - 0.02) - 5 * (rate / seconds) ** 0.5:
            raise UsageError(
                f"the application {application.tag!r} receives {rate:g} requests per second and serves {ended:.3g}",
                where=f"group {group.name!r}",
                mend="lower the rate, or give it more cores or threads",
            )


def _calibration(
    group: GroupSpec, before: str, after: str, pages: NodePages, seconds: float, *, reduced: bool
) -> Calibration:
    labels = pages.labels
    if pages.report is None:
        raise ValueError("no page was made")
    earlier = {line.head: float(line.value) for line in lines_of(before) if isinstance(line, Line)}
    samples = [line for line in lines_of(after) if isinstance(line, Line)]
    grown = {line.head: float(line.value) - earlier.get(line.head, 0.0) for line in samples if line.kind in _COUNTS}
    numbers = {application.tag: number for number, application in enumerate(group.applications)}
    ended, taken = _ended(grown, numbers)
    page = _Text(labels)
    slots: list[_Slot] = []
    for line in lines_of(after):
        if isinstance(line, str):
            page.comment(line)
            continue
        name = line.head.partition("{")[0]
        if reduced and not _in_reduced(name, line.head):
            continue
        tag = _TAG.search(line.head)
        number = numbers.get(tag[1]) if tag else None
        unit = seconds if number is None else ended[number]
        driver = len(numbers) if number is None else number
        if name.endswith("_created"):
            page.add(line.head, BOOT)
        elif line.kind in _COUNTS:
            slope = grown[line.head] / unit if unit else 0.0
            slots.append(_Slot(page.add(line.head, ""), line.head, slope, driver, name.endswith("_sum"), False))
        elif name == _UTILIZATION and number is not None and unit:
            slope = float(line.value) * seconds / unit
            slots.append(_Slot(page.add(line.head, ""), line.head, slope, driver, True, True))
        else:
            page.add(line.head, line.value)
    return Calibration(
        tuple(page.text),
        tuple(page.text[3::4]),
        tuple(slot.line for slot in slots),
        tuple(line for line, value in enumerate(page.text[3::4]) if value == BOOT),
        tuple(slot.head.replace(labels, INSTANCE) for slot in slots),
        np.array([slot.slope for slot in slots]),
        np.array([slot.driver for slot in slots], np.int64),
        np.array([slot.decimal for slot in slots], np.bool_),
        np.array([slot.gauge for slot in slots], np.bool_),
        tuple(count / seconds for count in ended),
        tuple(
            round(all_seconds * 1e9 / count) if count else 0 for count, all_seconds in zip(ended, taken, strict=True)
        ),
        pages.report,
        pages.problems,
    )


class _Slot(NamedTuple):
    line: int
    head: str
    slope: float
    driver: int
    decimal: bool
    gauge: bool


class _Text:
    """A page in parts, four a line."""

    def __init__(self, labels: str) -> None:
        self.text: list[str] = []
        self._labels = labels
        self._comments: list[str] = []

    def comment(self, line: str) -> None:
        """Kept back until the first sample: a reduced page has no empty families."""
        if line.startswith("# HELP "):
            self._comments.clear()
        self._comments.append(f"{line}\n")

    def add(self, head: str, value: str) -> int:
        """Add a line; returns its number."""
        first, _, rest = head.partition(self._labels)
        end = "\n" if self.text else ""
        self.text += ("".join([end, *self._comments, first]), INSTANCE, f"{rest} ", value)
        self._comments.clear()
        return len(self.text) // 4 - 1


def _ended(grown: Mapping[str, float], numbers: Mapping[str, int]) -> tuple[list[float], list[float]]:
    """Of each application: executions that ended, and the seconds that they took together."""
    ended, taken = [0.0] * len(numbers), [0.0] * len(numbers)
    for head, growth in grown.items():
        tag = _TAG.search(head)
        if tag is not None and tag[1] in numbers:
            if head.startswith("execution_status_total{"):
                ended[numbers[tag[1]]] += growth
            elif head.startswith("neuron_execution_duration_seconds_sum{"):
                taken[numbers[tag[1]]] += growth
    return ended, taken


_REDUCED = frozenset(
    (
        _UTILIZATION, "execution_errors_total", "execution_status_total", "hardware_ecc_events_total", "instance_info",
        "neuron_hardware_info", "neuron_execution_duration_seconds_sum", "neuron_execution_duration_seconds_count",
        "neuron_execution_duration_seconds_bucket", "neuron_runtime_readable", "neuron_device_memory_total_bytes",
        "neuron_device_memory_used_bytes", "neuron_node_readable", "neuron_runtime_memory_used_bytes",
    )
)  # fmt: skip
_REDUCED_BUCKETS = ('le="0.001"', 'le="0.003"', 'le="0.01"', 'le="0.03"', 'le="0.1"', 'le="0.3"', 'le="1.0"', "+Inf")
_REDUCED_KINDS = ("generic", "hardware", "completed", "timed_out", "failed_to_queue", "uncorrected")


def _in_reduced(name: str, head: str) -> bool:
    """Whether a series is on a reduced page: by tag and device, and few of the kinds."""
    if name not in _REDUCED:
        return False
    if name.endswith("_bucket"):
        return any(bound in head for bound in _REDUCED_BUCKETS)
    return not name.endswith(("errors_total", "status_total", "ecc_events_total")) or any(
        f'"{kind}"' in head or f'_{kind}"' in head for kind in _REDUCED_KINDS
    )
