"""Types that several threads decode."""

from __future__ import annotations

import msgspec


def prepare(*kinds: object) -> None:
    """Make msgspec inspect types now, in the one thread that imports their module.

    By default msgspec inspects a type when it first decodes it. If two threads do so at the same time, the process can
    crash with a segmentation fault (seen with msgspec 0.22).
    """
    for kind in kinds:
        msgspec.json.Decoder(kind)
