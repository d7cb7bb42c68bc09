"""Searches seed by seed until time is up, and shrinks what fails."""

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
        seed: of the scenario and its run.
        seeds: how many were tried.
        seconds: until it was found.
        first: the failure as it was found.
        shrunken: the shortest scenario that fails in the same way.
    """

    seed: int
    seeds: int
    seconds: float
    first: Failure
    shrunken: Shrunken


class Searched(NamedTuple):
    """What a search did: seeds tried, wall seconds, and what it found (``None``: nothing)."""

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
        base: whose applications run.
        folder: where its models are.
        seconds: wall time to search; what is found is shrunk after it.
        first_seed: to begin with.
        invariants: to hold.
        progress: told the seeds tried and the seconds passed.
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
    """A scenario as a file, without what has its default value."""
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
