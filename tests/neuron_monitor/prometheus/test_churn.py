"""Runtimes that start, end or are killed, and start again with the same tag; benchmarks/churn.py is the long form."""

import pytest

from benchmarks.churn import churn
from benchmarks.spawner import TAGS


@pytest.mark.e2e
def test_runtimes_that_come_and_go_leave_no_series_and_no_counter_goes_back(node, tmp_path):
    found = churn(tmp_path, runtimes=60, at_once=8)
    assert found.ended == 60
    assert 0 < found.killed < 60
    assert found.tags > TAGS / 2
    assert found.most_series > 0
    assert found.last_series == 0
    assert found.went_back == 0
    assert found.lines > 5
    assert found.bad_lines == 0
