"""Faults: break parts of a simulated node on purpose, and clear them.

=====================  ===========================================================================
:func:`inject`         add a fault to a node
:func:`clear`          remove one fault, or all
:func:`list_faults`    the faults of a node, active or not
:class:`FaultSpec`     a fault to inject: kind, target, times, how often it strikes
:class:`Fault`         a fault of a node, with its id and its remaining strikes
:class:`FaultKind`     the kinds of faults
:data:`FAULTS`         the table of kinds: the effect of each, and how operators and programs see it
:class:`Side`          a link of a device; :class:`ErrorClass`: a class of execution errors
=====================  ===========================================================================

``inject``, ``clear`` and ``list_faults`` take the datastore of a node: ``VirtualNode.store``, or
:func:`open_node` for a node in a directory.

Example::

    from runtime_core import faults

    with faults.open_node() as store:
        fault = faults.inject(store, faults.FaultSpec(faults.FaultKind.CORE_HANG, cores=(3,)), time.monotonic_ns())
        faults.clear(store, fault.fault_id)
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from runtime_core.driver.datastore import Datastore
from runtime_core.driver.faults.slots import Fault, clear, inject, list_faults
from runtime_core.driver.faults.spec import FaultSpec
from runtime_core.driver.faults.table import FAULTS, ErrorClass, FaultKind, Side
from runtime_core.driver.paths import node_root

__all__ = [
    "FAULTS",
    "ErrorClass",
    "Fault",
    "FaultKind",
    "FaultSpec",
    "Side",
    "clear",
    "inject",
    "list_faults",
    "open_node",
]


@contextlib.contextmanager
def open_node(root: Path | None = None) -> Iterator[Datastore]:
    """The datastore of a node, open for writing.

    Args:
        root: the node's directory; default: ``$NEURON_SIM_ROOT``, or the user's own node.

    Raises:
        NodeError: the node is missing or cannot be used.
    """
    store = Datastore(root or node_root(), writable=True)
    try:
        yield store
    finally:
        store.close()
