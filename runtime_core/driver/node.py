"""Set up a node, take it down, and recognise node directories."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import mmap
import os
import random
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from runtime_core.driver import layout
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.paths import (
    DATASTORE_FILE,
    INSTANCE_TYPE_VARIABLE,
    KERNEL_LOG_FILE,
    LOCKS_FILE,
    NODE_FILE,
    OLD_KERNEL_LOG_FILE,
    REPLAY_FILE,
    VISIBLE_FILE,
    node_root,
)
from runtime_core.driver.trust import check_directory
from runtime_core.errors import DatastoreError, NodeError, NodeNotFoundError, UsageError
from runtime_core.files import read_regular, write_atomically
from runtime_core.instance import DEFAULT_INSTANCE_TYPE, InstanceType, instance_type

NODE_FORMAT = "neuron-sim-node"
DRIVER_VERSION = "2.0.1"
"""The driver version that the node implements (2.0: the first that Runtime 2.x accepts)."""

_SETUP_LOCK = ".setup"
_MAX_NODE_FILE_BYTES = 64 << 10
_OUR_FILES = {
    NODE_FILE,
    DATASTORE_FILE,
    LOCKS_FILE,
    VISIBLE_FILE,
    KERNEL_LOG_FILE,
    OLD_KERNEL_LOG_FILE,
    _SETUP_LOCK,
}


class NodeInfo(NamedTuple):
    """Content of ``node.json``. ``boot_ns`` is Unix time in nanoseconds."""

    instance_type: str
    instance_id: str
    seed: int
    boot_ns: int


def _instance_id(rng: random.Random) -> str:
    return f"i-{rng.getrandbits(68):017x}"


def _make_datastore(root: Path, size: InstanceType, info: NodeInfo) -> None:
    """Write the datastore to a temporary file and rename it: a reader sees all of it or nothing."""
    rng = random.Random(info.seed + 1)  # noqa: S311 - identities, not secrets
    handle, temporary = tempfile.mkstemp(dir=root, prefix=f".{DATASTORE_FILE}.")
    try:
        os.ftruncate(handle, layout.FILE_BYTES)
        # Access to an unbacked page on a full disk causes a bus error. Pages of runtimes are backed when claimed.
        os.posix_fallocate(handle, 0, layout.PAGES_OFFSET)
        with mmap.mmap(handle, layout.PAGES_OFFSET) as mapped:
            header = layout.FileHeader.from_buffer(mapped)
            header.layout_version = layout.LAYOUT_VERSION
            header.page_count = layout.PAGE_COUNT
            header.page_bytes = layout.PAGE_BYTES
            header.pages_offset_bytes = layout.PAGES_OFFSET
            header.boot_ns = info.boot_ns
            header.seed = info.seed
            header.instance_type = size.name.encode()
            header.instance_id = info.instance_id.encode()
            header.instance_name = b"neuron-sim"
            header.region = b"us-east-1"
            header.availability_zone = b"us-east-1a"
            header.availability_zone_id = b"use1-az1"
            header.ami_id = f"ami-{rng.getrandbits(68):017x}".encode()
            header.subnet_id = f"subnet-{rng.getrandbits(68):017x}".encode()
            header.driver_version = DRIVER_VERSION.encode()
            header.magic = layout.MAGIC
            del header
        os.close(handle)
        handle = -1
        os.replace(temporary, root / DATASTORE_FILE)
    except BaseException:
        if handle >= 0:
            os.close(handle)
        Path(temporary).unlink(missing_ok=True)
        raise


def _claim_directory(root: Path) -> None:
    """Create the directory, or refuse one that holds other files."""
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise NodeError("not a directory", where=str(root), mend="set NEURON_SIM_ROOT to one") from None
    found = root.stat()
    if found.st_uid == os.geteuid() and found.st_mode & 0o022:
        # The umask left our own directory open, so that files of other users in it would be trusted.
        root.chmod(stat.S_IMODE(found.st_mode) & ~0o022)
    check_directory(root)
    if (root / REPLAY_FILE).exists():
        raise NodeError(
            "the node replays a recording",
            where=str(root),
            mend="end it with 'neuron-sim down', or set NEURON_SIM_ROOT",
        )
    strangers = sorted(
        p.name for p in root.iterdir() if p.name not in _OUR_FILES and not p.name.startswith((".datastore.", ".node"))
    )
    if strangers and not (root / NODE_FILE).exists():
        raise NodeError(
            f"not a node directory: it holds {strangers[0]!r}",
            where=str(root),
            mend="set NEURON_SIM_ROOT to an empty one",
        )


def read_info(root: Path) -> NodeInfo:
    """Read ``node.json``.

    Raises:
        NodeNotFoundError: the directory is not a node.
        DatastoreError: the file is invalid.
    """
    path = root / NODE_FILE
    check_directory(root)
    try:
        raw = json.loads(read_regular(path, _MAX_NODE_FILE_BYTES))
        if raw["format"] != NODE_FORMAT:
            raise ValueError("format")
        return NodeInfo(str(raw["instance_type"]), str(raw["instance_id"]), int(raw["seed"]), int(raw["boot_ns"]))
    except (FileNotFoundError, NotADirectoryError):
        if (root / REPLAY_FILE).exists():
            raise NodeNotFoundError(
                "the node replays a recording and is read-only", where=str(root), mend="end it with 'neuron-sim down'"
            ) from None
        raise NodeNotFoundError(f"no Neuron node in {root}", mend="set one up with 'neuron-sim up'") from None
    except PermissionError:
        raise NodeError(
            f"no permission for the node in {root}", mend="run as its owner, or set NEURON_SIM_ROOT"
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError, OSError):
        raise DatastoreError(
            "not a node description", where=str(path), mend="remove it with 'neuron-sim down --force'"
        ) from None


def set_up(
    root: Path | None = None,
    *,
    type_name: str | None = None,
    instance_id: str | None = None,
    seed: int = 0,
    boot_ns: int | None = None,
) -> NodeInfo:
    """Set up a node in ``root``; an existing node with the requested identity is kept.

    Args:
        root: the node directory, default :func:`runtime_core.driver.paths.node_root`.
        type_name: the EC2 name of the size, default ``$NEURON_SIM_INSTANCE_TYPE``, else inf1.6xlarge.
        instance_id: default: derived from ``seed``.
        seed: for the node's random choices.
        boot_ns: when it booted, Unix time in nanoseconds; default: now.

    Raises:
        UsageError: unknown size or malformed id.
        NodeError: directory with other files, an existing node, no permission, no space on the disk.
    """
    root = root or node_root()
    size = instance_type(type_name or os.environ.get(INSTANCE_TYPE_VARIABLE) or DEFAULT_INSTANCE_TYPE)
    if instance_id is not None and not (0 < len(instance_id) <= 63 and instance_id.isprintable()):
        raise UsageError(
            f"malformed instance id {instance_id!r}", mend="use up to 63 printable characters, like i-0abc"
        )
    wanted_id = instance_id or _instance_id(random.Random(seed))  # noqa: S311 - an identity, not a secret
    try:
        _claim_directory(root)
        guard = os.open(root / _SETUP_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(guard, fcntl.LOCK_EX)
            if (root / NODE_FILE).exists():
                there = read_info(root)
                if (type_name and there.instance_type != size.name) or (
                    instance_id and there.instance_id != instance_id
                ):
                    raise NodeError(
                        f"a node already exists ({there.instance_type}, {there.instance_id})",
                        where=str(root),
                        mend="take it down first with 'neuron-sim down'",
                    )
                return there
            info = NodeInfo(size.name, wanted_id, seed, time.time_ns() if boot_ns is None else boot_ns)
            os.close(os.open(root / LOCKS_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            _make_datastore(root, size, info)
            description = {"format": NODE_FORMAT, "version": 1, **info._asdict()}
            write_atomically(root / NODE_FILE, json.dumps(description, indent=2).encode() + b"\n")
            return info
        finally:
            os.close(guard)
    except PermissionError:
        raise NodeError(
            f"no permission to set up a node in {root}", mend="set NEURON_SIM_ROOT to a directory of yours"
        ) from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NodeError(
                f"no space on the disk for a node in {root}", mend="free some, or set NEURON_SIM_ROOT"
            ) from None
        raise


def open_or_set_up(root: Path | None = None) -> Datastore:
    """Open the node for writing; set it up first if it does not exist."""
    root = root or node_root()
    if not (root / NODE_FILE).exists():
        set_up(root)
    return Datastore(root, writable=True)


def take_down(root: Path | None = None, *, force: bool = False) -> None:
    """Remove the node's files, and the directory if it is then empty.

    Raises:
        NodeNotFoundError: the node is missing.
        NodeError: runtimes still use it and ``force`` is not set.
    """
    root = root or node_root()
    check_directory(root)
    if not any((root / name).exists() for name in (NODE_FILE, DATASTORE_FILE, REPLAY_FILE)):
        raise NodeNotFoundError(f"no Neuron node in {root}: nothing to take down")
    if not force and not (root / REPLAY_FILE).exists():
        read_info(root)
        store = Datastore(root)
        try:
            busy = store.locks.any_held()
        finally:
            store.close()
        if busy:
            raise NodeError(f"the node in {root} is in use", mend="stop its runtimes first, or add --force")
    for name in (*_OUR_FILES, REPLAY_FILE):
        (root / name).unlink(missing_ok=True)
    try:
        root.rmdir()
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise


def free_disk_bytes(root: Path) -> int:
    """Free bytes on the node's file system, for diagnostics."""
    return shutil.disk_usage(root).free


def datastore_bytes_per_process() -> int:
    """Bytes of the datastore per runtime process."""
    return ctypes.sizeof(layout.Page)
