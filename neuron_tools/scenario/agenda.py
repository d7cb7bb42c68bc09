"""The actions of a scenario in the order of their times."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from neuron_tools.scenario.schema import EventSpec, Scenario, nanoseconds_of

Action = Callable[[int], None]
"""Receives the time since the start of the scenario, in nanoseconds."""


class Actions(NamedTuple):
    """Makes the actions of a run.

    Attributes:
        start: makes the action that starts the application with this number.
        stop: makes the action that stops the application with this tag.
        event: makes the action of an event of the timeline.
        release: makes the action that releases a held application, by its tag.
        sample: the action of each sample.
    """

    start: Callable[[int], Action]
    stop: Callable[[str], Action]
    event: Callable[[EventSpec], Action]
    release: Callable[[str], Action]
    sample: Action


def agenda_of(scenario: Scenario, actions: Actions, more_samples_ns: Collection[int] = ()) -> list[tuple[int, Action]]:
    """Return each time (nanoseconds) and its action, up to the end of the scenario.

    At equal times, ends and events come before starts. Samples come last, so that they include all other actions.
    """
    end_ns, step_ns = nanoseconds_of(scenario.duration), nanoseconds_of(scenario.sample)
    agenda: list[tuple[int, int, Action]] = []
    for number, application in enumerate(scenario.applications):
        agenda.append((nanoseconds_of(application.start), 1, actions.start(number)))
        if application.end is not None:
            agenda.append((nanoseconds_of(application.end), 0, actions.stop(application.tag)))
    for event in scenario.timeline:
        agenda.append((nanoseconds_of(event.at), 0, actions.event(event)))
        if event.hold is not None:
            over_ns = nanoseconds_of(event.at) + nanoseconds_of(event.lasting or "0s")
            agenda.append((over_ns, 0, actions.release(event.hold)))
    samples_ns = {*range(step_ns, end_ns + 1, step_ns), *more_samples_ns, end_ns}
    agenda += [(at_ns, 2, actions.sample) for at_ns in samples_ns]
    # Sorting is stable, so the order of the file holds at equal times.
    agenda.sort(key=lambda entry: entry[:2])
    return [(at_ns, action) for at_ns, _, action in agenda if at_ns <= end_ns]
