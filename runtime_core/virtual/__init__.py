"""A node under a virtual clock: whole applications in one process, as fast as their events can be computed.

===========================  ===========================================================================
:class:`VirtualNode`         a node with its own clock; creates runtimes, runs until a time
:class:`VirtualClock`        its time: ``call_at``, ``call_every``, ``spawn``
:func:`closed_loop`          a client that executes again as soon as an execution ends
:func:`open_loop`            a client that executes requests from a :class:`RequestQueue`
:class:`RequestQueue`        requests that arrive at given times, in a queue with a limit
:class:`Stop`                stops a client
:data:`Process`              a generator that yields the time at which to resume it
===========================  ===========================================================================

Example::

    from runtime_core.virtual import VirtualNode

    with VirtualNode("inf1.24xlarge", seed=1) as node:
        runtime = node.runtime(cores="0-3", tag="web")
        model = runtime.load(neff)
        node.spawn_closed_loop(runtime, model, workers=2)
        node.run(60 * 10**9)
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime_core.virtual.clients import RequestQueue, closed_loop, open_loop
    from runtime_core.virtual.clock import Process, VirtualClock
    from runtime_core.virtual.executions import Stop
    from runtime_core.virtual.node import VirtualNode

__all__ = ["Process", "RequestQueue", "Stop", "VirtualClock", "VirtualNode", "closed_loop", "open_loop"]

_ROOM_OF = {
    "Process": "clock",
    "VirtualClock": "clock",
    "VirtualNode": "node",
    "RequestQueue": "clients",
    "Stop": "clients",
    "closed_loop": "clients",
    "open_loop": "clients",
}


def __getattr__(name: str) -> object:
    """Load the engine on first use."""
    if name in _ROOM_OF:
        return getattr(importlib.import_module(f"{__name__}.{_ROOM_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
