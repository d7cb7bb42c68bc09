"""One execution of a client under a virtual clock, by the engine, and the means to stop clients."""

from __future__ import annotations

from collections.abc import Generator

from runtime_core.driver.pages.buffered import BufferedPage
from runtime_core.engine.execution import LoadedModel
from runtime_core.engine.executor import Engine
from runtime_core.status import NrtError

RETRY_NS = 1_000_000
"""Pause of a client after a refused execution, so that time passes."""


class Stop:
    """Stops clients after the execution that is running."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        """Not stopped yet."""
        self.asked = False


def execution(
    engine: Engine, model: LoadedModel, now_ns: int, since_ns: int, retry_ns: int
) -> Generator[int, int, int]:
    """Execute once with the engine; return the time of the end. Latency is measured from ``since_ns``.

    The engine counts a refused execution, which ends after ``retry_ns``.
    """
    try:
        placed = engine.start(model, now_ns)
    except NrtError:
        return (yield now_ns + retry_ns)
    now_ns = yield placed.end_ns
    if not was_closed(engine):
        engine.finish(model, placed, now_ns - since_ns)
    return now_ns


def was_closed(engine: Engine) -> bool:
    """Whether the runtime was closed. Its executions in progress are dropped, because its page is released."""
    return isinstance(engine.page, BufferedPage) and engine.page.released
