"""Shrink a failing scenario as far as it still fails in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from neuron_tools.scenario.schema import Arrivals, Scenario, nanoseconds_of
from neuron_tools.scenario.search.trial import Failure

_MOST_TRIALS = 150


class Shrunken(NamedTuple):
    """The shortest scenario that was found, its failure, and the number of trials."""

    scenario: Scenario
    failure: Failure
    trials: int


def shrink(scenario: Scenario, failure: Failure, trial: Callable[[Scenario], Failure | None]) -> Shrunken:
    """Remove parts of a scenario until no further part can be removed.

    Args:
        scenario: a scenario that fails.
        failure: its failure.
        trial: runs a scenario.
    """
    trials, progress = 0, True
    while progress:
        progress = False
        for candidate in _smaller(scenario, failure):
            if trials >= _MOST_TRIALS:
                return Shrunken(scenario, failure, trials)
            trials += 1
            found = trial(candidate)
            if found is not None and found.invariant == failure.invariant:
                scenario, failure, progress = candidate, found, True
                break
    return Shrunken(scenario, failure, trials)


def _smaller(scenario: Scenario, failure: Failure) -> Iterator[Scenario]:
    """Yield smaller scenarios, the smallest first."""
    replace = msgspec.structs.replace
    seconds = round(nanoseconds_of(scenario.duration) / 1e9)
    step = max(1, round(nanoseconds_of(scenario.sample) / 1e9))
    failed = -(-round(failure.seconds) // step) * step
    for shorter in dict.fromkeys((failed, seconds // 2 // step * step, seconds * 3 // 4 // step * step)):
        if step <= shorter < seconds:
            yield _until(scenario, shorter)
    if len(scenario.timeline) > 1:
        yield replace(scenario, timeline=[])
    for number in range(len(scenario.timeline)):
        yield replace(scenario, timeline=scenario.timeline[:number] + scenario.timeline[number + 1 :])
    if len(scenario.applications) > 1:
        for number in range(len(scenario.applications)):
            rest = scenario.applications[:number] + scenario.applications[number + 1 :]
            tags = {application.tag for application in rest}
            timeline = [e for e in scenario.timeline if (e.kill or e.hold) in (None, *tags)]
            yield replace(scenario, applications=rest, timeline=timeline)
    used = {name for application in scenario.applications for name in application.models}
    if used < scenario.models.keys():
        yield replace(scenario, models={name: model for name, model in scenario.models.items() if name in used})
    for number, application in enumerate(scenario.applications):
        for simpler in (
            {"end": None}, {"start": "0s"}, {"tensors_mib": 0.0}, {"threads": 1}, {"queue": None},
            {"arrivals": Arrivals(constant=1.0)},
        ):  # fmt: skip
            changed = replace(application, **simpler)
            if changed != application:
                applications = [*scenario.applications[:number], changed, *scenario.applications[number + 1 :]]
                yield replace(scenario, applications=applications)


def _until(scenario: Scenario, seconds: int) -> Scenario:
    """Return the scenario up to a time, without later parts."""
    end_ns = seconds * 10**9
    replace = msgspec.structs.replace
    applications = [a for a in scenario.applications if nanoseconds_of(a.start) < end_ns]
    return replace(
        scenario,
        duration=f"{seconds}s",
        applications=[
            replace(a, end=None) if a.end is not None and nanoseconds_of(a.end) > end_ns else a for a in applications
        ],
        timeline=[e for e in scenario.timeline if nanoseconds_of(e.at) <= end_ns],
    )
