"""The OCI runtime's description of a container: its state (on the hook's stdin) and its bundle's ``config.json``.

Source: the OCI runtime specification 1.0 (runtime.md, "State"; config.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from runtime_core.errors import UsageError
from runtime_core.files import read_regular

_MAX_BYTES = 8 << 20
_T = TypeVar("_T")


class _State(msgspec.Struct):
    id: str
    pid: int
    bundle: str


class _Root(msgspec.Struct):
    path: str


class _User(msgspec.Struct):
    uid: int = 0


class _Process(msgspec.Struct):
    env: tuple[str, ...] = ()
    user: _User = msgspec.field(default_factory=_User)


class _Config(msgspec.Struct):
    root: _Root
    process: _Process = msgspec.field(default_factory=_Process)


class Container(NamedTuple):
    """A container that is being created.

    Attributes:
        pid: its first process, in the runtime's pid namespace; its namespaces exist already.
        bundle: directory of the bundle; ``rootfs`` becomes the container's root.
        uid: user of its process, in the container.
        environment: environment variables of its process.
    """

    container_id: str
    pid: int
    bundle: Path
    rootfs: Path
    uid: int
    environment: dict[str, str]


def _decode(raw: bytes, kind: type[_T], what: str) -> _T:
    if len(raw) > _MAX_BYTES:
        raise UsageError(f"{what} has more than {_MAX_BYTES} bytes", mend="check that it is the right file")
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{what} does not follow the OCI runtime specification: {error}") from None


def read_container(state: bytes) -> Container:
    """Read the container's state from a hook's stdin.

    Raises:
        UsageError: the state, or its bundle's ``config.json``, does not follow the specification.
    """
    found = _decode(state, _State, "the state on stdin")
    bundle = Path(found.bundle)
    if not bundle.is_absolute() or "\0" in found.bundle:
        raise UsageError(f"the state on stdin names the bundle {found.bundle!r}: expected an absolute path")
    if found.pid < 1:
        raise UsageError(f"container {found.id!r} has no process yet", mend="use createRuntime or prestart hooks")
    path = bundle / "config.json"
    try:
        raw = read_regular(path, _MAX_BYTES)
    except OSError as error:
        raise UsageError(f"cannot read the file: {error.strerror}", where=str(path)) from None
    config = _decode(raw, _Config, str(path))
    pairs = (entry.partition("=") for entry in config.process.env)
    environment = {name: value for name, _, value in pairs}
    rootfs = bundle / config.root.path
    return Container(found.id, found.pid, bundle, rootfs, config.process.user.uid, environment)
