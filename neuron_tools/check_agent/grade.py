"""Grade the behaviour of an agent."""

from __future__ import annotations

import re
from typing import NamedTuple

from neuron_tools.check_agent.watch import Observation
from neuron_tools.check_agent.world import AFTER

_CRASHES = re.compile(r"Traceback \(most recent call last\)|^panic: |^fatal error: |Unhandled exception", re.MULTILINE)
_DETAIL_CHARACTERS = 160


class Expectation(NamedTuple):
    """Expected behaviour of a good agent.

    Attributes:
        shows_after: the last figures reach its output, if its output shows any figures.
        may_fail: an exit status other than 0 is acceptable.
        memory_bytes: highest acceptable memory use.
    """

    shows_after: bool
    may_fail: bool
    memory_bytes: int


class Grade(NamedTuple):
    """Grade of an agent in one case.

    Attributes:
        case, form: the case, and the form of the stream.
        problems: descriptions of the failures; empty if it passed.
        lost: whether the last figures are missing from its output; ``None`` if its output never shows any.
        observation: behaviour of the agent.
        detail: the last line that it wrote to stderr.
    """

    case: str
    form: str
    problems: tuple[str, ...]
    lost: bool | None
    observation: Observation
    detail: str

    @property
    def passed(self) -> bool:
        """Whether there were no problems."""
        return not self.problems


def shows(observation: Observation, marks: tuple[str, ...] = AFTER.marks) -> bool:
    """Return whether the agent's output contains figures of the last application."""
    return any(mark in text for text in (observation.output, observation.seen) for mark in marks)


def _end(seen: Observation, expected: Expectation) -> list[str]:
    if seen.exit_status is None:
        return ["hangs: it did not end after its input, and had to be killed"]
    problems = []
    if seen.early:
        problems.append("ended before its input")
    if seen.exit_status < 0:
        problems.append(f"killed by signal {-seen.exit_status}")
    elif seen.exit_status and not expected.may_fail:
        problems.append(f"exit status {seen.exit_status}")
    return problems


def grade(case: str, form: str, seen: Observation, expected: Expectation, *, shows_figures: bool) -> Grade:
    """Grade one run.

    Args:
        case: name of the disturbance.
        form: form of the stream.
        seen: behaviour of the agent.
        expected: expected behaviour of a good agent.
        shows_figures: its output contains figures when there is no disturbance.
    """
    problems = _end(seen, expected)
    if _CRASHES.search(seen.errors):
        problems.append("crashed")
    if seen.peak_bytes > expected.memory_bytes:
        problems.append(f"used {seen.peak_bytes >> 20} MiB of memory")
    lost = not shows(seen) if shows_figures and expected.shows_after else None
    if lost:
        problems.append("lost the figures that followed the disturbance")
    lines = [line.strip() for line in seen.errors.splitlines() if line.strip()]
    detail = lines[-1][:_DETAIL_CHARACTERS] if lines else ""
    return Grade(case, form, tuple(problems), lost, seen, detail)
