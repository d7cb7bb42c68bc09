"""Run ``neuron-sim scenario search``."""

from __future__ import annotations

import importlib
import json
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple

from neuron_console import exit_codes
from neuron_tools.files import write_output
from neuron_tools.scenario.command import find, progress_bar
from neuron_tools.scenario.load import load_scenario
from neuron_tools.scenario.search.find import Searched, as_yaml, search
from neuron_tools.scenario.search.invariant import Invariant
from neuron_tools.scenario.search.invariants import INVARIANTS
from neuron_tools.scenario.search.trial import run_trial
from runtime_core.errors import UsageError


class SearchPlan(NamedTuple):
    """Settings of a search.

    Attributes:
        scenario: file, or name from the library.
        minutes: time to search; 0: only check the invariants in the file itself.
        first_seed: first seed to try.
        out: file for the shortest scenario that fails.
        invariants: additional ones, as ``MODULE:CLASS``.
        mutant: a defect to plant; "": none.
        as_json: print JSON.
    """

    scenario: str
    minutes: float
    first_seed: int
    out: Path | None
    invariants: tuple[str, ...]
    mutant: str
    as_json: bool


def run(plan: SearchPlan) -> int:
    """Search and print the result; returns the exit status: 1 if a scenario fails.

    Raises:
        UsageError: the file or an invariant is invalid.
        NeuronError: the scenario cannot be written.
    """
    path = find(plan.scenario)
    base = load_scenario(path)
    invariants = (*INVARIANTS, *map(_invariant, plan.invariants))
    os.environ.setdefault("NEURON_RT_LOG_LEVEL", "QUIET")
    with _planted(plan.mutant):
        if plan.minutes == 0:
            failure = run_trial(base, path.parent, plan.first_seed, invariants)
            told = "holds every invariant" if failure is None else f"{failure.invariant}: {failure.what}"
            print(json.dumps({"failure": failure and failure._asdict()}) if plan.as_json else told)
            return exit_codes.OK if failure is None else exit_codes.FAILURE
        with progress_bar(f"search {base.scenario}") as progress:
            searched = search(
                base, path.parent, seconds=plan.minutes * 60, first_seed=plan.first_seed, invariants=invariants,
                progress=lambda _seeds, passed: progress(passed, plan.minutes * 60),
            )  # fmt: skip
    if plan.out is not None and searched.found is not None:
        write_output(plan.out, _file(searched).encode())
    print(_as_json(searched) if plan.as_json else _as_text(searched, len(invariants)))
    return exit_codes.OK if searched.found is None else exit_codes.FAILURE


def _planted(name: str) -> AbstractContextManager[None]:
    if not name:
        return nullcontext()
    from neuron_tools.scenario.search.mutants import MUTANTS, planted

    if name not in MUTANTS:
        raise UsageError(f"no mutant {name!r}", mend=f"one of {', '.join(MUTANTS)}")
    return planted(name)


def _invariant(name: str) -> type[Invariant]:
    module, colon, attribute = name.partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module), attribute, None) if colon else None
    except ImportError as error:
        raise UsageError(f"cannot be imported: {error}", where=repr(name)) from None
    finally:
        sys.path.pop(0)
    if not (isinstance(found, type) and issubclass(found, Invariant)):
        raise UsageError(f"{name!r} is not an invariant", mend="name a subclass of Invariant as MODULE:CLASS")
    return found


def _file(searched: Searched) -> str:
    found = searched.found
    assert found is not None  # noqa: S101 - the caller looked
    failure = found.shrunken.failure
    return (
        f"# {failure.invariant} does not hold after {failure.seconds:g} s: {' '.join(failure.what.split())}\n"
        f"# Run it again: neuron-sim scenario search THIS_FILE --minutes 0 --seed {found.seed}\n"
        f"{as_yaml(found.shrunken.scenario)}"
    )


def _as_text(searched: Searched, invariants: int) -> str:
    tried = f"{searched.seeds} seeds in {searched.seconds:.0f} s"
    if searched.found is None:
        return f"{tried}: every scenario holds the {invariants} invariants, and nothing fails"
    return f"{tried}; shrunk in {searched.found.shrunken.trials} trials:\n\n{_file(searched)}".rstrip()


def _as_json(searched: Searched) -> str:
    found = searched.found
    return json.dumps(
        {
            "seeds": searched.seeds,
            "seconds": round(searched.seconds, 1),
            "found": found
            and {
                "seed": found.seed,
                "first": found.first._asdict(),
                "failure": found.shrunken.failure._asdict(),
                "trials": found.shrunken.trials,
                "scenario": as_yaml(found.shrunken.scenario),
            },
        }
    )
