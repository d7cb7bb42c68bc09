"""Objects that a process creates once: by key, parsed NEFFs, programs."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

from runtime_core.engine.numerics import shared_program
from runtime_core.neff.reader import read_neff
from runtime_core.neff.shared import shared_neff
from runtime_core.nrt import Runtime
from runtime_core.sharing import Shared
from runtime_core.status import NeffError
from tests.small_models import small_neff


class _Thing:
    pass


def test_threads_that_ask_at_once_get_one_object() -> None:
    shared: Shared[str, _Thing] = Shared()
    together = threading.Barrier(8)
    made: list[_Thing] = []
    found: list[_Thing] = []

    def make() -> _Thing:
        made.append(_Thing())
        return made[-1]

    def ask() -> None:
        together.wait()
        found.append(shared.get("key", make))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert all(thing is made[0] for thing in found)


def test_an_object_that_nobody_uses_is_made_again_and_so_is_one_that_failed() -> None:
    shared: Shared[str, _Thing] = Shared()

    def fail() -> _Thing:
        raise ValueError("once")

    with pytest.raises(ValueError, match="once"):
        shared.get("key", fail)
    first = id(shared.get("key", _Thing))
    gc.collect()
    kept = shared.get("key", _Thing)
    assert shared.get("key", fail) is kept
    assert first


def test_the_same_content_is_one_neff_and_one_program() -> None:
    data = small_neff(name="one")
    first = shared_neff(data)
    assert shared_neff(bytearray(data)) is first
    assert shared_neff(small_neff(name="two")) is not first
    program = shared_program(first)
    assert shared_program(first) is program
    assert shared_program(read_neff(data)) is not program


def test_what_says_it_is_the_same_and_is_not_gets_its_own() -> None:
    data = small_neff()
    first = shared_neff(data)
    # Header, UUID and size are unchanged; only the content differs.
    other = bytearray(data)
    other[-20] ^= 1
    with pytest.raises(NeffError):
        shared_neff(other)
    assert shared_neff(data) is first


def test_models_of_one_runtime_share_and_still_end_one_by_one(node: object) -> None:
    data = small_neff(weights=2)
    x = np.arange(64, dtype=np.float32)[None]
    with Runtime(environment={"NEURON_RT_VISIBLE_CORES": "0-3", "NEURON_RT_LOG_LEVEL": "QUIET"}) as runtime:
        models = [
            runtime.load(d, core) for core, d in enumerate((data, data, bytes(bytearray(data)), memoryview(data)))
        ]
        assert len({id(m.program) for m in models}) == len({id(m.neff) for m in models}) == 1
        runtime.unload(models[0])
        for model in models[1:]:
            np.testing.assert_array_equal(runtime.infer(model, {"x": x}).outputs["y"], x)
