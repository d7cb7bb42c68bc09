"""The lock on the accounting of devices: it guards DRAM, ECC and lasting counters."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from runtime_core.driver.locks import device_byte

if TYPE_CHECKING:
    from runtime_core.driver.datastore import Datastore

# Threads of one process share its record locks, so a mutex excludes them from each other.
_threads = threading.RLock()


def _forget() -> None:
    """Replace the mutex in a forked child: the thread that held it may not exist there."""
    global _threads
    _threads = threading.RLock()


os.register_at_fork(after_in_child=_forget)


@contextlib.contextmanager
def locked_devices(store: Datastore, devices: Sequence[int]) -> Iterator[None]:
    """Lock the accounting of several devices, in ascending order, so that two processes cannot deadlock."""
    with _threads:
        ordered = sorted(set(devices))
        for device in ordered:
            store.locks.wait(device_byte(device))
        try:
            yield
        finally:
            for device in ordered:
                store.locks.unlock(device_byte(device))
