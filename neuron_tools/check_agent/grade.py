"""From what an agent did to a grade."""

from __future__ import annotations

import re
from typing import NamedTuple

from neuron_tools.check_agent.watch import Observation
from neuron_tools.check_agent.world import AFTER

_CRASHES = re.compile(r"Traceback \(most recent call last\)|^panic: |^fatal error: |Unhandled exception", re.MULTILINE)
_DETAIL_CHARACTERS = 160


class Expectation(NamedTuple):
    """What a good agent does.

    Attributes:
        shows_after: figures that come last reach its output, where its output shows any.
        may_fail: an exit status other than 0 is right.
        memory_bytes: it uses no more.
    """

    shows_after: bool
    may_fail: bool
    memory_bytes: int


class Grade(NamedTuple):
    """How an agent did in one case.

    Attributes:
        case, form: which.
        problems: what was wrong; none: it passed.
        lost: whether the last figures reached its output; ``None`` where its output never shows any.
        observation: what it did.
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
        """Whether nothing was wrong."""
        return not self.problems


def shows(observation: Observation, marks: tuple[str, ...] = AFTER.marks) -> bool:
    """Whether the agent's output holds figures of the application that comes last."""
    return any(mark in text for text in (observation.output, observation.seen) for mark in marks)


def _end(seen: Observation, expected: Expectation) -> list[str]:
    if seen.exit_status is None:
        return ["hangs: it did not end with its input, and had to be killed"]
    problems = []
    if seen.early:
        problems.append("ended before its input did")
    if seen.exit_status < 0:
        problems.append(f"killed by signal {-seen.exit_status}")
    elif seen.exit_status and not expected.may_fail:
        problems.append(f"exit status {seen.exit_status}")
    return problems


def grade(case: str, form: str, seen: Observation, expected: Expectation, *, shows_figures: bool) -> Grade:
    """Grade one run.

    Args:
        case: name of the trouble.
        form: of the stream.
        seen: what the agent did.
        expected: what a good agent does.
        shows_figures: its output holds figures when nothing goes wrong.
    """
    problems = _end(seen, expected)
    if _CRASHES.search(seen.errors):
        problems.append("crashed")
    if seen.peak_bytes > expected.memory_bytes:
        problems.append(f"used {seen.peak_bytes >> 20} MiB of memory")
    lost = not shows(seen) if shows_figures and expected.shows_after else None
    if lost:
        problems.append("lost the figures that came after the trouble")
    lines = [line.strip() for line in seen.errors.splitlines() if line.strip()]
    detail = lines[-1][:_DETAIL_CHARACTERS] if lines else ""
    return Grade(case, form, tuple(problems), lost, seen, detail)
