"""Disturbances of a stream as data: the bytes to write, their times, and the expected reaction of a good agent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from neuron_monitor.compat.releases import Compat
from neuron_tools.check_agent.world import AFTER, BEFORE, UNAVAILABLE, line_of, reports_of

OUR_FORM = "neuron-monitor"
FORMS: dict[str, Compat | None] = {OUR_FORM: None, **{compat.value: compat for compat in Compat}}
"""Name of a form -> the release to encode lines with."""

_HUGE_RUNTIMES = 300
_PIECES = 6
_SLOW_SECONDS = 0.25


class Piece(NamedTuple):
    """Bytes to write after a pause."""

    data: bytes
    pause_seconds: float = 0.02


class Trouble(NamedTuple):
    """A disturbance of the stream.

    Attributes:
        summary: short description.
        pieces: the stream in one form.
        shows_after: figures of the last application should reach the agent's output.
        may_fail: an exit status other than 0 is acceptable.
    """

    summary: str
    pieces: Callable[[Compat | None], Iterator[Piece]]
    shows_after: bool = True
    may_fail: bool = False


def _before(compat: Compat | None) -> Iterator[Piece]:
    for report in reports_of(BEFORE, count=2):
        yield Piece(line_of(report, compat))


def _after(compat: Compat | None) -> Iterator[Piece]:
    for report in reports_of(AFTER, count=3, first_seconds=30):
        yield Piece(line_of(report, compat))


def _between(middle: Callable[[Compat | None], Iterator[Piece]]) -> Callable[[Compat | None], Iterator[Piece]]:
    def pieces(compat: Compat | None) -> Iterator[Piece]:
        yield from _before(compat)
        yield from middle(compat)
        yield from _after(compat)

    return pieces


def _nothing(_: Compat | None) -> Iterator[Piece]:
    yield from ()


def _idle(compat: Compat | None) -> Iterator[Piece]:
    for reports in (reports_of(count=1), reports_of(BEFORE, count=1, idle=True)):
        yield from (Piece(line_of(report, compat)) for report in reports)


def _unavailable(compat: Compat | None) -> Iterator[Piece]:
    for report in reports_of(UNAVAILABLE, count=2, first_seconds=20):
        yield Piece(line_of(report, compat))


def _restart(compat: Compat | None) -> Iterator[Piece]:
    # The same tag with another pid, and counts that start again.
    for report in reports_of(BEFORE._replace(pid=BEFORE.pid + 1), count=2):
        yield Piece(line_of(report, compat))


def _empty(_: Compat | None) -> Iterator[Piece]:
    yield Piece(b"\n")
    yield Piece(b"{}\n")


def _torn(compat: Compat | None) -> Iterator[Piece]:
    (report,) = reports_of(BEFORE, count=1)
    whole = line_of(report, compat)
    yield Piece(whole[: len(whole) // 2] + b"\n")


def _huge(compat: Compat | None) -> Iterator[Piece]:
    (report,) = reports_of(BEFORE, count=1)
    line = msgspec.json.decode(line_of(report, compat))
    line["neuron_runtime_data"] = [
        {**line["neuron_runtime_data"][0], "pid": 10_000 + number, "neuron_runtime_tag": f"many-{number}"}
        for number in range(_HUGE_RUNTIMES)
    ]
    yield Piece(msgspec.json.encode(line) + b"\n")


def _slow(compat: Compat | None) -> Iterator[Piece]:
    (report,) = reports_of(BEFORE, count=1)
    whole = line_of(report, compat)
    step = len(whole) // _PIECES + 1
    for start in range(0, len(whole), step):
        yield Piece(whole[start : start + step], _SLOW_SECONDS)


TROUBLES: dict[str, Trouble] = {
    "steady": Trouble("nothing goes wrong", _between(_nothing)),
    "idle": Trouble("no application, then one that executes nothing (null latency)", _between(_idle)),
    "unavailable": Trouble(
        "counters that the source does not provide (0, with an error message)", _between(_unavailable)
    ),
    "restart": Trouble("an application restarts: same tag, another pid, counts from 0", _between(_restart)),
    "empty-line": Trouble("an empty line and an empty object", _between(_empty)),
    "torn-line": Trouble("half a line", _between(_torn)),
    "huge-line": Trouble(f"a line of {_HUGE_RUNTIMES} applications", _between(_huge)),
    "slow-writer": Trouble(f"a line in {_PIECES} pieces, {_SLOW_SECONDS} s apart", _between(_slow)),
    "empty-stream": Trouble("the stream ends before its first line", _nothing, shows_after=False, may_fail=True),
}
