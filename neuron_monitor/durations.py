"""Go duration strings, as the configuration file writes periods: ``1s``, ``500ms``, ``1m30s``."""

from __future__ import annotations

import re

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_MAX_SECONDS = 366 * 86400.0


def parse_duration(text: str) -> float:
    """Seconds of a duration string.

    Raises:
        ValueError: the text is no duration, or one of no use as a period.
    """
    at = 0
    seconds = 0.0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            break
        seconds += float(part[1]) * _SECONDS[part[2]]
        at = part.end()
    if not text or at < len(text):
        raise ValueError(f'expected a duration like "1s", "500ms" or "1m30s", got {text!r}')
    if not 0.001 <= seconds <= _MAX_SECONDS:
        raise ValueError(f"a period of {text!r} is out of range: expected 1ms to 8784h")
    return seconds
