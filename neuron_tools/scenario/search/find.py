"""Search seed by seed until the time is up, and shrink the first scenario that fails."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import yaml

from neuron_tools.scenario.schema import Scenario
from neuron_tools.scenario.search.generate import generate
from neuron_tools.scenario.search.invariant import Invariant
from neuron_tools.scenario.search.invariants import INVARIANTS
from neuron_tools.scenario.search.shrink import Shrunken, shrink
from neuron_tools.scenario.search.trial import Failure, run_trial


class Found(NamedTuple):
    """A seed whose scenario fails.

    Attributes:
        seed: seed of the scenario and its run.
        seeds: number of seeds that were tried.
        seconds: wall time until it was found.
        first: the failure before shrinking.
        shrunken: the shortest scenario that fails in the same way.
    """

    seed: int
    seeds: int
    seconds: float
    first: Failure
    shrunken: Shrunken


class Searched(NamedTuple):
    """The result of a search: seeds tried, wall seconds, and the failing seed (``None`` if none)."""

    seeds: int
    seconds: float
    found: Found | None


def search(
    base: Scenario,
    folder: Path,
    *,
    seconds: float,
    first_seed: int = 0,
    invariants: Sequence[type[Invariant]] = INVARIANTS,
    progress: Callable[[int, float], None] = lambda _seeds, _seconds: None,
) -> Searched:
    """Try seeds from ``first_seed`` on, until one fails or the time is up.

    Args:
        base: the scenario whose applications run.
        folder: folder of its models.
        seconds: wall time to search, without shrinking.
        first_seed: first seed to try.
        invariants: invariants to check.
        progress: called with the number of seeds tried and the seconds passed.
    """
    began = time.monotonic()
    tried = 0
    while (passed := time.monotonic() - began) < seconds:
        progress(tried, passed)
        seed = first_seed + tried
        tried += 1
        scenario = generate(base, seed)
        failure = run_trial(scenario, folder, seed, invariants)
        if failure is not None:
            passed = time.monotonic() - began
            trial = functools.partial(run_trial, folder=folder, seed=seed, invariants=invariants)
            shorter = shrink(scenario, failure, trial)
            return Searched(tried, passed, Found(seed, tried, passed, failure, shorter))
    return Searched(tried, time.monotonic() - began, None)


def as_yaml(scenario: Scenario) -> str:
    """Return a scenario as a file, without fields that have their default value."""
    return yaml.safe_dump(_plain(scenario), sort_keys=False, width=120, allow_unicode=True)


def _plain(value: object) -> object:
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        pairs = ((field, getattr(value, field.name)) for field in fields)
        return {
            field.encode_name: _plain(found)
            for field, found in pairs
            if field.required or (found is not None and found != field.default and found != [])
        }
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return str(value) if isinstance(value, str) else value
