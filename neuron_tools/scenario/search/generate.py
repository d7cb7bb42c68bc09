"""Random scenarios: the applications of a base file under random load, faults, kills, resets and restarts, by seed."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec

from neuron_tools.scenario.schema import (
    ApplicationSpec,
    Arrivals,
    Closed,
    EventSpec,
    ExpectationSpec,
    Scenario,
    nanoseconds_of,
)
from runtime_core.instance import InstanceType, instance_type
from runtime_core.ranges import parse_ranges

DURATION_SECONDS = 900
_MOST_EVENTS = 5
_MOST_PER_SECOND = 30.0
_HALF_LOAD = 0.5


def generate(base: Scenario, seed: int) -> Scenario:
    """Return the scenario of ``seed``; equal seeds give equal scenarios."""
    rng = random.Random(f"search {seed}")  # noqa: S311 - chance that can be repeated
    size = instance_type(base.instance)
    chosen = [a for a in base.applications if rng.random() < 0.8] or [rng.choice(base.applications)]
    applications: list[ApplicationSpec] = []
    for application in chosen:
        applications += _lives(_loaded(base, application, rng), rng)
    count = rng.choice((0, *range(1, _MOST_EVENTS + 1)))
    timeline = [_event(rng, size, chosen) for _ in range(count)]
    return msgspec.structs.replace(
        base,
        scenario=f"{base.scenario}, seed {seed}"[:200],
        duration=f"{DURATION_SECONDS}s",
        sample="30s",
        applications=applications,
        timeline=sorted(timeline, key=lambda event: nanoseconds_of(event.at)),
        expectations=[ExpectationSpec("no alert")],
    )


def _loaded(base: Scenario, application: ApplicationSpec, rng: random.Random) -> ApplicationSpec:
    """Return the application with random requests for at most half of its capacity, or with closed clients."""
    cores = len(parse_ranges(application.cores)) if application.cores else 1
    milliseconds = max(base.models[name].milliseconds or 10.0 for name in application.models)
    most = min(_MOST_PER_SECOND, _HALF_LOAD * min(cores, application.threads) * 1000 / (milliseconds + 2))
    rate = round(most * rng.uniform(0.1, 1.0), 2)
    arrivals = rng.choice(
        (Arrivals(poisson=rate), Arrivals(poisson=rate), Arrivals(constant=rate), Arrivals(closed=Closed(1, "100ms")))
    )
    tensors_mib = rng.choice((0.0, 0.0, 64.0))
    return msgspec.structs.replace(application, arrivals=arrivals, start="0s", end=None, tensors_mib=tensors_mib)


def _lives(application: ApplicationSpec, rng: random.Random) -> list[ApplicationSpec]:
    """Return the application once, or twice with a restart in between."""
    if rng.random() < 0.7:
        return [application]
    end = rng.randrange(120, 600)
    again = end + rng.choice((1, 5, 30))
    replace = msgspec.structs.replace
    return [replace(application, end=f"{end}s"), replace(application, start=f"{again}s")]


def _event(rng: random.Random, size: InstanceType, applications: list[ApplicationSpec]) -> EventSpec:
    at = f"{rng.randrange(30, DURATION_SECONDS - 60)}s"
    return rng.choice(_EVENTS)(rng, at, size, rng.choice(applications).tag)


def _faults(*fields: dict[str, object]) -> list[Callable[[random.Random, str, InstanceType, str], EventSpec]]:
    def maker(one: dict[str, object]) -> Callable[[random.Random, str, InstanceType, str], EventSpec]:
        def make(rng: random.Random, at: str, size: InstanceType, _tag: str) -> EventSpec:
            made = {"at": at, "for": f"{rng.choice((20, 60, 240))}s", **one}
            if made.get("cores") == "?":
                made["cores"] = str(rng.randrange(size.core_count))
            if made.get("devices") == "?":
                made["devices"] = str(rng.randrange(size.device_count))
            return msgspec.convert(made, EventSpec)

        return make

    return [maker(one) for one in fields]


_EVENTS: list[Callable[[random.Random, str, InstanceType, str], EventSpec]] = [
    *_faults(
        {"fault": "core-hang", "cores": "?"},
        {"fault": "slow-core", "cores": "?", "factor": 2},
        {"fault": "execution-error", "cores": "?", "ratio": 0.2, "error": "model"},
        {"fault": "nan", "cores": "?", "ratio": 0.5},
        {"fault": "queue-overflow", "cores": "?", "ratio": 0.2},
        {"fault": "mem-ecc-corrected", "devices": "?", "rate": 2},
        {"fault": "mem-ecc-uncorrected", "devices": "?", "rate": 1},
        {"fault": "sram-ecc-uncorrected", "devices": "?", "rate": 1},
        {"fault": "device-lost", "devices": "?"},
        {"fault": "load-failure", "cores": "?"},
    ),
    lambda _rng, at, _size, tag: EventSpec(at, kill=tag),
    lambda _rng, at, _size, tag: EventSpec(at, kill=tag),
    lambda rng, at, size, _tag: EventSpec(at, reset=rng.randrange(size.device_count)),
    lambda rng, at, _size, tag: EventSpec(at, hold=tag, lasting=f"{rng.choice((20, 60, 400))}s"),
    lambda _rng, at, _size, _tag: EventSpec(at, clear=True),
]
