"""PromQL's functions over ranges, at every time of a regular grid at once. See :mod:`.functions` for one time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from neuron_tools.scenario.promql.functions import RANGE_FUNCTIONS

_Floats: TypeAlias = NDArray[np.float64]
_Bools: TypeAlias = NDArray[np.bool_]
_Range: TypeAlias = Callable[[_Floats, _Bools, float, float], tuple[_Floats, _Bools]]


def _steps(range_seconds: float, step_seconds: float) -> int:
    """Samples before the current one that a range holds; both its ends count."""
    return int(range_seconds / step_seconds + 1e-9)


def _increase(*, per_second: bool) -> _Range:
    def found(values: _Floats, present: _Bools, range_seconds: float, step: float) -> tuple[_Floats, _Bools]:
        """See :func:`.functions._increase`."""
        series, times = values.shape
        if not series:
            return values, present
        back = _steps(range_seconds, step)
        # Series of a page come and go together: what depends on presence alone is computed once.
        shown = present[:1] if (present == present[0]).all() else present
        numbers = np.arange(times)
        # Of each time: the newest sample until then, and the oldest one in its window.
        last = np.maximum.accumulate(np.where(shown, numbers, -1), axis=1)
        following = np.minimum.accumulate(np.where(shown, numbers, times)[:, ::-1], axis=1)[:, ::-1]
        first = following[:, np.maximum(numbers - back, 0)]
        enough = (first < last) & (last >= numbers - back)
        last, first = np.where(enough, last, 0), np.where(enough, first, 0)
        count = np.cumsum(shown, axis=1)
        begin = _at(values, first)
        total = _at(values, last) - begin
        lost = _lost(values, present)
        if lost is not None:
            total += _at(lost, last) - _at(lost, first)
        sampled = (last - first) * step
        average = sampled / np.maximum(_at(count, last) - _at(count, first), 1)
        threshold = average * 1.1
        to_start = first * step - (numbers * step - range_seconds)
        to_end = (numbers - last) * step
        # A counter cannot have been below zero.
        grows = (total > 0) & (begin >= 0)
        to_zero = np.divide(sampled * begin, total, out=np.full_like(total, np.inf), where=grows)
        to_start = np.minimum(to_start, to_zero)
        spanned = np.where(to_start < threshold, to_start, average / 2)
        spanned += sampled + np.where(to_end < threshold, to_end, average / 2)
        spanned /= np.where(enough, sampled, 1.0)
        total *= spanned
        return (total / range_seconds if per_second else total), np.broadcast_to(enough, values.shape)

    return found


def _at(values: NDArray[Any], places: NDArray[np.int64]) -> NDArray[Any]:
    """``values`` at other times: those of ``places``, whose one row is for all or each of whose rows is for one."""
    if len(places) == 1:
        return values[:, places[0]]
    return np.take_along_axis(values, places, axis=1)


def _lost(values: _Floats, present: _Bools) -> _Floats | None:
    """What resets of each counter have taken away until each time; ``None``: there are no resets."""
    times = values.shape[1]
    filled = values
    if not present.all():
        newest = np.maximum.accumulate(np.where(present, np.arange(times), 0), axis=1)
        filled = np.take_along_axis(values, newest, axis=1)
    before = filled[:, :-1]
    dropped = values[:, 1:] < before
    if not dropped.any():
        return None
    # The first sample of a series has none before it.
    dropped &= present[:, 1:] & np.maximum.accumulate(present, axis=1)[:, :-1]
    lost = np.zeros_like(values)
    np.cumsum(np.where(dropped, before, 0.0), axis=1, out=lost[:, 1:])
    return lost


def _over_time(fold: Callable[[_Floats], _Floats]) -> _Range:
    def found(values: _Floats, present: _Bools, range_seconds: float, step: float) -> tuple[_Floats, _Bools]:
        back = _steps(range_seconds, step)
        missing = np.full((len(values), back), np.nan)
        padded = np.concatenate([missing, np.where(present, values, np.nan)], axis=1)
        windows = sliding_window_view(padded, back + 1, axis=1)
        some = np.cumsum(np.concatenate([np.zeros((len(present), back + 1), np.int64), present], axis=1), axis=1)
        return fold(windows), some[:, back + 1 :] > some[:, : -back - 1]

    return found


def _mean(windows: _Floats) -> _Floats:
    counts = np.count_nonzero(~np.isnan(windows), axis=-1)
    result: _Floats = np.nansum(windows, axis=-1) / np.maximum(counts, 1)
    return result


def _last(values: _Floats, present: _Bools, range_seconds: float, step: float) -> tuple[_Floats, _Bools]:
    series, times = values.shape
    numbers = np.arange(times)
    newest = np.maximum.accumulate(np.where(present, numbers, -1), axis=1)
    return values[np.arange(series)[:, None], newest], newest >= np.maximum(numbers - _steps(range_seconds, step), 0)


RANGES: dict[str, _Range] = {
    "rate": _increase(per_second=True),
    "increase": _increase(per_second=False),
    "min_over_time": _over_time(lambda windows: np.fmin.reduce(windows, axis=-1)),
    "max_over_time": _over_time(lambda windows: np.fmax.reduce(windows, axis=-1)),
    "sum_over_time": _over_time(lambda windows: np.nansum(windows, axis=-1)),
    "avg_over_time": _over_time(_mean),
    "count_over_time": _over_time(lambda windows: np.count_nonzero(~np.isnan(windows), axis=-1).astype(np.float64)),
    "last_over_time": _last,
}
assert RANGES.keys() == RANGE_FUNCTIONS.keys()  # noqa: S101 - both evaluators know the same language
