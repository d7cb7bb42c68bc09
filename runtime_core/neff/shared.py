"""One parsed NEFF per content in a process, which models on many cores share read-only."""

from __future__ import annotations

import hashlib

from runtime_core.neff.model import Neff
from runtime_core.neff.reader import read_neff
from runtime_core.sharing import Shared

_neffs: Shared[tuple[bytes, bool], Neff] = Shared()


def shared_neff(data: bytes | bytearray | memoryview, *, validate_hash: bool = False) -> Neff:
    """Return the NEFF with this content: the one that the process already uses, or a new one by :func:`read_neff`.

    A hash of all bytes identifies the content. The UUID and the hash in the header are not trusted.

    Raises:
        NeffError: as :func:`read_neff`.
    """
    key = hashlib.sha256(data).digest(), validate_hash
    return _neffs.get(
        key, lambda: read_neff(bytes(data) if isinstance(data, bytearray) else data, validate_hash=validate_hash)
    )
