"""The releases whose form of the report can be selected."""

from __future__ import annotations

import enum


class Compat(enum.StrEnum):
    """A form of the report.

    ``inf1-2023``: as recorded on Inf1 with Runtime 2.x in 2023. ``inf2-2.30``: as recorded on Inf2 with Runtime 2.30.
    ``guide``: as printed in the current user guide.
    """

    INF1_2023 = "inf1-2023"
    INF2_2_30 = "inf2-2.30"
    GUIDE = "guide"


_OTHER_NAMES = {"inf1": Compat.INF1_2023, "2.x": Compat.INF1_2023, "inf2": Compat.INF2_2_30, "2.30": Compat.INF2_2_30}


def compat_named(name: str) -> Compat:
    """Return the form with a name.

    Raises:
        ValueError: no form has this name.
    """
    found = _OTHER_NAMES.get(name)
    if found is not None:
        return found
    try:
        return Compat(name)
    except ValueError:
        known = ", ".join([*Compat, *_OTHER_NAMES])
        raise ValueError(f"unknown release {name[:40]!r}: expected one of {known}") from None
