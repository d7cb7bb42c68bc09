"""Lists of strings that a call lends to the host program, which frees them through the library."""

from __future__ import annotations

from collections.abc import Sequence

from runtime_core.libnrt import abi, session
from runtime_core.libnrt.abi import CData, require


def give_list(texts: Sequence[str], out: CData, count: CData) -> None:
    """Lend an array of C strings.

    Raises:
        CallError: INVALID if a pointer is NULL.
    """
    require(out, "the list")
    require(count, "count")
    strings = [abi.ffi.new("char[]", text.encode()) for text in texts]
    # One element more than needed, so that an empty list also has an address.
    out[0] = session.keep(abi.ffi.new("char *[]", [*strings, abi.ffi.NULL]), strings)
    count[0] = len(texts)
