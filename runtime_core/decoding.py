"""Types that several threads decode."""

from __future__ import annotations

import msgspec


def prepare(*kinds: object) -> None:
    """Let msgspec look at types now, in the one thread that imports their module.

    Otherwise it looks at a type when it is first decoded, and two threads that do so at the same time can end the
    interpreter with a segmentation fault (seen with msgspec 0.22).
    """
    for kind in kinds:
        msgspec.json.Decoder(kind)
