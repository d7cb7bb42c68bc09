"""One parsed NEFF per content in a process: models on many cores share it, read-only."""

from __future__ import annotations

import hashlib

from runtime_core.neff.model import Neff
from runtime_core.neff.reader import read_neff
from runtime_core.sharing import Shared

_neffs: Shared[tuple[bytes, bool], Neff] = Shared()


def shared_neff(data: bytes | bytearray | memoryview, *, validate_hash: bool = False) -> Neff:
    """The NEFF with this content: one that the process still uses, or else what :func:`read_neff` returns.

    A hash of all bytes identifies the content. The header's UUID and hash are only what its writer put there.

    Raises:
        NeffError: as :func:`read_neff`.
    """
    key = hashlib.sha256(data).digest(), validate_hash
    return _neffs.get(
        key, lambda: read_neff(bytes(data) if isinstance(data, bytearray) else data, validate_hash=validate_hash)
    )
