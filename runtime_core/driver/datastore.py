"""The mapped file, checked when a reader or writer opens it."""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path

from runtime_core.driver import layout
from runtime_core.driver.detached import detach
from runtime_core.driver.locks import LockFile, acquire_lock_file, page_byte, release_lock_file
from runtime_core.driver.paths import DATASTORE_FILE, LOCKS_FILE, REPLAY_FILE
from runtime_core.driver.trust import check_directory, check_trusted
from runtime_core.driver.visibility import read_visible
from runtime_core.errors import DatastoreError, NodeError, NodeNotFoundError
from runtime_core.files import open_regular
from runtime_core.instance import INSTANCE_TYPES, InstanceType


def _check_version(head: bytes, path: Path) -> None:
    """Refuse another layout before checking the size, which depends on the layout (``head``: the first bytes)."""
    version = int.from_bytes(head[8:12], "little")
    if head.startswith(layout.MAGIC) and version != layout.LAYOUT_VERSION:
        raise DatastoreError(
            f"the datastore has layout {version}, this version reads {layout.LAYOUT_VERSION}",
            where=str(path),
            mend="set the node up again with 'neuron-sim down --force' and 'neuron-sim up'",
        )


def _check(header: layout.FileHeader, path: Path) -> None:
    if header.magic != layout.MAGIC:
        raise DatastoreError("not a Neuron datastore", where=str(path), mend="remove it with 'neuron-sim down --force'")
    described = (header.page_count, header.page_bytes, header.pages_offset_bytes)
    if described != (layout.PAGE_COUNT, layout.PAGE_BYTES, layout.PAGES_OFFSET) or (
        bytes(header.instance_type).decode("utf-8", "replace") not in INSTANCE_TYPES
    ):
        raise DatastoreError(
            "the datastore is corrupt", where=str(path), mend="set the node up again with 'neuron-sim down --force'"
        )


class Datastore:
    """One open datastore.

    Attributes:
        root: the node directory.
        map: the mapping.
        header: the file header, live.
        size: the instance's size.
        locks: this process's lock file of the node.
        visible_devices: devices that may be used and seen here; a container can have a part of them.
    """

    def __init__(self, root: Path, *, writable: bool = False) -> None:
        """Map the datastore of the node in ``root``.

        Raises:
            NodeNotFoundError: the node is missing.
            DatastoreError: the file is truncated, corrupt or of another layout.
            NodeError: no permission, or it belongs to another user: see :mod:`runtime_core.driver.trust`.
        """
        self.root = root
        path = root / DATASTORE_FILE
        check_directory(root)
        try:
            fd = open_regular(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_NOFOLLOW)
        except FileNotFoundError:
            if (root / REPLAY_FILE).exists():
                raise NodeNotFoundError(
                    "the node replays a recording and is read-only",
                    where=str(root),
                    mend="end it with 'neuron-sim down'",
                ) from None
            raise NodeNotFoundError(f"no Neuron node in {root}", mend="set one up with 'neuron-sim up'") from None
        except NotADirectoryError:
            raise NodeError("not a directory", where=str(root), mend="set NEURON_SIM_ROOT to one") from None
        except PermissionError:
            raise NodeError(
                f"no permission for the node in {root}", mend="run as its owner, or set NEURON_SIM_ROOT"
            ) from None
        except OSError as error:
            raise DatastoreError(
                f"it cannot be opened: {error.strerror}",
                where=str(path),
                mend="set the node up again with 'neuron-sim down --force' and 'neuron-sim up'",
            ) from None
        try:
            found = os.fstat(fd)
            check_trusted(found, path)
            _check_version(os.pread(fd, 16, 0), path)
            if found.st_size < layout.FILE_BYTES:
                raise DatastoreError(
                    f"the datastore is truncated ({found.st_size} of {layout.FILE_BYTES} bytes)",
                    where=str(path),
                    mend="set the node up again with 'neuron-sim down --force' and 'neuron-sim up'",
                )
            protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
            self.map = mmap.mmap(fd, layout.FILE_BYTES, mmap.MAP_SHARED, protection)
        except BaseException:
            os.close(fd)
            raise
        # Kept open as long as the map, because 'neuron-ls --show-all-procs' uses it to find the readers of a node.
        self.fd = fd
        self.identity = (found.st_dev, found.st_ino)
        try:
            self.header = (
                layout.FileHeader.from_buffer(self.map) if writable else layout.FileHeader.from_buffer_copy(self.map)
            )
            _check(self.header, path)
            self._head = bytes(self.map[: layout.PAGES_OFFSET]) if writable else b""
            self._detached = False
            self.visible_devices = read_visible(root, self.size.device_count)
            self.locks: LockFile = acquire_lock_file(root / LOCKS_FILE)
        except BaseException:
            os.close(fd)
            raise

    @property
    def size(self) -> InstanceType:
        """The instance's size."""
        return INSTANCE_TYPES[bytes(self.header.instance_type).decode()]

    def text(self, name: str) -> str:
        """A string field of the file header."""
        return bytes(getattr(self.header, name)).decode("utf-8", "replace")

    @property
    def totals_sequence(self) -> int:
        """Odd while totals and pages are inconsistent; increases with every change of the totals."""
        at = layout.FileHeader.totals_sequence.offset
        return int.from_bytes(self.map[at : at + 8], "little")

    def still_there(self) -> bool:
        """Whether the node's path still leads to this file, at its full size."""
        try:
            found = os.stat(self.root / DATASTORE_FILE)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self.identity and found.st_size >= layout.FILE_BYTES

    def is_whole(self) -> bool:
        """Whether the file still has its full size. Writers must check this before each use of the map.

        Access to a page beyond the end of a truncated file kills the process (SIGBUS). Therefore, if the file is too
        short, the map is replaced by private memory, which is never written to the file.
        """
        fd = self.fd
        # The fastest system call that returns the size. The descriptor's offset is not used otherwise.
        if fd >= 0 and not self._detached and os.lseek(fd, 0, os.SEEK_END) < layout.FILE_BYTES:
            self._detached = True
            detach(self.map, fd, self._head)
        return not self._detached

    def is_removed(self) -> bool:
        """Whether the file was removed with its node; the map stays usable."""
        return self.fd >= 0 and not os.fstat(self.fd).st_nlink

    def page(self, index: int) -> layout.Page:
        """The page as a live structure (writable maps only)."""
        return layout.Page.from_buffer(self.map, layout.page_offset(index))

    def device_block(self, device: int) -> layout.DeviceBlock:
        """A device's block as a live structure (writable maps only)."""
        return layout.DeviceBlock.from_buffer(
            self.map, layout.DEVICES_OFFSET + ctypes.sizeof(layout.DeviceBlock) * device
        )

    def reset_count(self, device: int) -> int:
        """The number of resets of a device."""
        at = layout.DEVICES_OFFSET + ctypes.sizeof(layout.DeviceBlock) * device + layout.DeviceBlock.reset_count.offset
        return int.from_bytes(self.map[at : at + 8], "little")

    def core_totals(self, core: int) -> layout.CoreTotals:
        """The lasting totals of a core, as a live structure (writable maps only)."""
        return layout.CoreTotals.from_buffer(self.map, layout.TOTALS_OFFSET + ctypes.sizeof(layout.CoreTotals) * core)

    def page_alive(self, index: int) -> bool:
        """Whether the process that owns the page is alive; if not, the kernel has released its lock."""
        return self.locks.holder(page_byte(index)) is not None

    def close(self) -> None:
        """Release the lock file and the descriptor; the map is released with the last structure that uses it."""
        if self.fd >= 0:
            # In this order, because the number of a closed descriptor can be reused at once.
            fd, self.fd = self.fd, -1
            os.close(fd)
            release_lock_file(self.locks)
