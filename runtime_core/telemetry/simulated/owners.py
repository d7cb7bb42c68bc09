"""Find the process on this machine that owns a runtime of a simulated node, with proof from the kernel."""

from __future__ import annotations

import struct
from pathlib import Path

from runtime_core.driver import layout
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.locks import page_byte
from runtime_core.driver.paths import DATASTORE_FILE
from runtime_core.telemetry.owners import UnprovenError, check_holds_open, check_started_before, pin

_STATE = struct.Struct("<I")
_WORD = struct.Struct("<Q")


def _page_of(store: Datastore, pid: int, start_ns: int) -> int:
    """Return the index of the page that names this runtime and whose lock this process holds."""
    elsewhere = False
    for index in range(min(store.header.backed_pages, layout.PAGE_COUNT)):
        offset = layout.page_offset(index)
        state = _STATE.unpack_from(store.map, offset + layout.Page.state.offset)[0]
        start = _WORD.unpack_from(store.map, offset + layout.Page.start_ns.offset)[0]
        if (state, start) != (layout.STATE_LIVE, start_ns):
            continue
        holder = store.locks.holder(page_byte(index))
        if holder == pid:
            return index
        # A holder outside this pid namespace has no pid here: a process with the page's pid is an unrelated one.
        elsewhere = elsewhere or holder == 0
    if elsewhere:
        raise UnprovenError("it runs in another pid namespace", mend="send the signal from there, or from the host")
    raise UnprovenError(f"process {pid} does not own the runtime, or the runtime has ended")


def pin_owner(root: Path, pid: int, start_ns: int) -> int:
    """Return a pidfd of the process that owns a runtime's page of the node in ``root``.

    Args:
        root: the node directory.
        pid: process id as shown.
        start_ns: start of the runtime as shown (CLOCK_MONOTONIC, nanoseconds).

    Raises:
        UnprovenError: ``pid`` cannot be proven to be that process; the message gives the reason.
        NodeError: the node cannot be read.
    """
    store = Datastore(root)
    try:
        if store.header.virtual_clock:
            raise UnprovenError("the node runs under a virtual clock, so its processes are simulated")

        def proof() -> None:
            _page_of(store, pid, start_ns)
            check_started_before(pid, start_ns)
            check_holds_open(pid, store.identity, f"the node's {DATASTORE_FILE}")

        return pin(pid, proof)
    finally:
        store.close()
