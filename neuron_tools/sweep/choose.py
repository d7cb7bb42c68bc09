"""Select the engine that the user names."""

from __future__ import annotations

import re

from neuron_tools.sweep.job import Engine
from neuron_tools.sweep.options import Choice
from runtime_core.errors import UsageError

_ADDRESS = re.compile(r"dask(?P<tls>\+tls)?://(?P<host>[^/?#@]+:[0-9]{1,5})/?")


def engine_of(choice: Choice) -> Engine:
    """Return the engine of a choice.

    Raises:
        UsageError: the name is unknown.
    """
    if choice.name == "local":
        from neuron_tools.sweep.local import LocalEngine

        return LocalEngine(choice.workers)
    found = _ADDRESS.fullmatch(choice.name)
    if found is None:
        raise UsageError(f"unknown engine {choice.name!r}", where="--engine", mend="use local or dask://HOST:8786")
    if choice.workers is not None:
        raise UsageError("--workers is for --engine local", mend="omit it: a Dask cluster has its own workers")
    from neuron_tools.sweep.cluster import DaskEngine

    return DaskEngine(f"{'tls' if found['tls'] else 'tcp'}://{found['host']}")
