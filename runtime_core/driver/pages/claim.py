"""Claim a page of the datastore."""

from __future__ import annotations

import ctypes
import errno
import os

from runtime_core.driver import layout
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.locks import TABLE_BYTE, page_byte
from runtime_core.driver.pages.totals import fold
from runtime_core.status import NrtError, NrtStatus


def claim_page(store: Datastore) -> int:
    """Claim the first free page for this process; the page of a dead process is folded and reused.

    Returns:
        Its index.

    Raises:
        NrtError: RESOURCE, when every page is claimed or the disk is full.
    """
    for index in range(layout.PAGE_COUNT):
        if not store.locks.try_lock(page_byte(index)):
            continue
        try:
            os.posix_fallocate(store.fd, layout.page_offset(index), layout.PAGE_HEAD_BYTES)
            store.locks.wait(TABLE_BYTE)
            try:
                if index < store.header.backed_pages:
                    fold(store, index)
                else:
                    store.header.backed_pages = index + 1
            finally:
                store.locks.unlock(TABLE_BYTE)
        except OSError as error:
            store.locks.unlock(page_byte(index))
            _refuse_full_disk(store, error)
            raise
        return index
    raise NrtError(
        NrtStatus.RESOURCE,
        f"the node's process table is full ({layout.PAGE_COUNT} runtimes)",
        mend="end one, or use another node",
    )


def back_model_table(store: Datastore, index: int, models: int, subgraphs: int) -> None:
    """Allocate disk space for the first slots of a page's model table.

    Raises:
        NrtError: RESOURCE, if the disk is full.
    """
    parts = (
        (layout.Page.models.offset, ctypes.sizeof(layout.ModelSlot) * min(models, layout.MAX_MODELS)),
        (layout.Page.subgraphs.offset, ctypes.sizeof(layout.SubgraphSlot) * min(subgraphs, layout.MAX_SUBGRAPHS)),
    )
    for offset, size_bytes in parts:
        if not size_bytes:
            continue
        try:
            os.posix_fallocate(store.fd, layout.page_offset(index) + offset, size_bytes)
        except OSError as error:
            _refuse_full_disk(store, error)
            raise


def _refuse_full_disk(store: Datastore, error: OSError) -> None:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise NrtError(
            NrtStatus.RESOURCE, f"no space on the disk for a runtime's counters in {store.root}", mend="free some"
        ) from None
