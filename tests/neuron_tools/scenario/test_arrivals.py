"""Requests arrive as described, at equal times for equal seeds."""

import itertools
import random

import pytest

from neuron_tools.scenario.arrivals import arrival_times_ns, read_trace
from neuron_tools.scenario.schema import Arrivals, Diurnal
from runtime_core.errors import NeuronError

SECOND = 10**9


def times(arrivals, count, seed=1, start_ns=0, folder=None):
    return list(itertools.islice(arrival_times_ns(arrivals, random.Random(seed), start_ns, folder), count))


def test_constant_arrivals_never_drift():
    found = times(Arrivals(constant=3), 3001, start_ns=5 * SECOND)
    assert found[0] == 5 * SECOND
    assert found[3000] == 1005 * SECOND


def test_poisson_arrivals_come_at_their_rate_and_at_random():
    found = times(Arrivals(poisson=50), 20_000)
    gaps = [b - a for a, b in itertools.pairwise(found)]
    mean = sum(gaps) / len(gaps)
    variance = sum((g - mean) ** 2 for g in gaps) / len(gaps)
    assert mean == pytest.approx(SECOND / 50, rel=0.03)
    # Exponential gaps: the standard deviation equals the mean.
    assert variance**0.5 == pytest.approx(mean, rel=0.05)
    assert found == sorted(found) == times(Arrivals(poisson=50), 20_000)
    assert found != times(Arrivals(poisson=50), 20_000, seed=2)


def test_a_diurnal_curve_swings_between_its_ends():
    found = [t / SECOND for t in times(Arrivals(diurnal=Diurnal(5, 50, "100s")), 12_000) if t < 400 * SECOND]
    low, high = (sum(start <= t % 100 < start + 10 for t in found) / 40 for start in (0, 45))
    # The means of the rate over those ten seconds.
    assert low == pytest.approx(6.45, rel=0.25)
    assert high == pytest.approx(49.6, rel=0.1)


def test_a_trace_is_followed(tmp_path):
    (tmp_path / "t.txt").write_text("# seconds\n0\n0.5\n\n2\n2\n")
    assert times(Arrivals(trace="t.txt"), 10, start_ns=SECOND, folder=tmp_path) == [
        SECOND, SECOND * 3 // 2, 3 * SECOND, 3 * SECOND
    ]  # fmt: skip


@pytest.mark.parametrize("content", ["1\n0.5\n", "x\n", "-1\n", "nan\n", "1e300\n"])
def test_a_trace_that_is_none_is_refused_with_its_line(tmp_path, content):
    path = tmp_path / "t.txt"
    path.write_text(content)
    with pytest.raises(NeuronError, match=r"t\.txt:[12]: .*expected seconds"):
        read_trace(path)
