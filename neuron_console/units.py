"""Format and parse numbers with units: bytes, quantities, durations, numbers in JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

NOT_AVAILABLE = "N/A"

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")
_DECIMAL = ("", "K", "M", "G", "T", "P")

_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_MAX_PERIOD_SECONDS = 366 * 86400.0

_JSON_DIGITS = 9
"""Significant digits of a number in JSON: more than the precision of the figures, but without float noise."""


def format_bytes(size_bytes: int | None) -> str:
    """Format a size in at most ten characters: ``58.5 MiB``; ``N/A`` for ``None``."""
    if size_bytes is None:
        return NOT_AVAILABLE
    value = float(size_bytes)
    for unit in _BINARY:
        if abs(value) < 1024 or unit == _BINARY[-1]:
            break
        value /= 1024
    return f"{size_bytes} B" if unit == "B" else f"{value:.1f} {unit}"


def format_quantity(value: float | None, unit: str) -> str:
    """Format a number with a decimal prefix: ``2.46 TFLOPS``; ``N/A`` for ``None``."""
    if value is None:
        return NOT_AVAILABLE
    for prefix in _DECIMAL:
        if value < 1000 or prefix == _DECIMAL[-1]:
            break
        value /= 1000
    return f"{value:.2f} {prefix}{unit}"


def three_digits(value: float) -> str:
    """Format three significant digits, without an exponent."""
    if value >= 99.95 or not value:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def format_latency(value_ns: float | None) -> str:
    """Format a latency in at most nine characters, with three significant digits: ``1.47 ms``; ``N/A`` for ``None``."""
    if value_ns is None:
        return NOT_AVAILABLE
    if not value_ns:
        return "0"
    for limit, unit in ((1e6, "µs"), (1e9, "ms")):
        if value_ns < limit * 0.9995:
            return f"{three_digits(value_ns / limit * 1e3)} {unit}"
    return f"{three_digits(value_ns / 1e9)} s"


def format_span(seconds: float) -> str:
    """Format a duration in whole seconds, or in minutes if it is long: ``42 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def parse_period(text: str) -> float:
    """Parse a Go duration string that is used as a period (``1s``, ``500ms``, ``1m30s``); return seconds.

    Raises:
        ValueError: the text is not a duration, or the duration is outside 1 ms to 366 days.
    """
    at = 0
    seconds = 0.0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            break
        seconds += float(part[1]) * _UNIT_SECONDS[part[2]]
        at = part.end()
    if not text or at < len(text):
        raise ValueError(f'expected a duration like "1s", "500ms" or "1m30s", got {text!r}')
    if not 0.001 <= seconds <= _MAX_PERIOD_SECONDS:
        raise ValueError(f"a period of {text!r} is out of range: expected 1ms to 8784h")
    return seconds


def rounded(value: object) -> object:
    """Round each float of a value or a JSON tree to nine significant digits.

    This removes the noise of binary arithmetic: ``0.00040343552000000004`` becomes ``0.00040343552``.
    """
    if isinstance(value, float):
        return float(f"{value:.{_JSON_DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [rounded(item) for item in value]
    return value
