"""All requested combinations that are possible."""

import pytest

from neuron_tools.bench.setups import Setup, Wanted, parse_counts, setups_of
from runtime_core.errors import UsageError


def test_lists_of_counts():
    assert parse_counts("1,2, 4,2", "--batch") == (1, 2, 4)
    for wrong in ("", "0", "1,,2", "-1", "1.5", "x", "٣", "1000000000"):
        with pytest.raises(UsageError, match="--batch"):
            parse_counts(wrong, "--batch")


def test_copies_fill_the_cores_and_cores_follow_from_copies():
    filled = setups_of(Wanted((1, 8), (1,), cores=(1, 4)), "inf1.xlarge")
    assert [(s.batch, s.cores, s.models) for s in filled] == [(1, 1, 1), (8, 1, 1), (1, 4, 4), (8, 4, 4)]
    piped = setups_of(Wanted((1,), (1, 4), cores=(8,)), "inf1.6xlarge")
    assert [(s.pipeline, s.models) for s in piped] == [(1, 8), (4, 2)]
    by_copies = setups_of(Wanted((1,), (2,), models=(1, 3), workers=2), "inf1.6xlarge")
    assert [(s.cores, s.models, s.workers) for s in by_copies] == [(2, 1, 2), (6, 3, 2)]
    assert setups_of(Wanted((1,)), "inf1.xlarge") == [Setup("inf1.xlarge", 1, 1, 1, 1, 1)]


def test_a_pipeline_runs_on_the_cores_that_hold_it():
    found = setups_of(Wanted((1,), (1, 4), cores=(1, 8)), "inf1.6xlarge")
    assert [(s.pipeline, s.cores) for s in found] == [(1, 1), (1, 8), (4, 8)]


def test_copies_are_dealt_over_the_places():
    setup = Setup("inf1.6xlarge", 1, 4, 12, 5, 1)
    assert [setup.first_core(copy) for copy in range(5)] == [0, 4, 8, 0, 4]


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (Wanted((1,), cores=(5,)), "inf1.xlarge has 4"),
        (Wanted((1,), models=(5,)), "inf1.xlarge has 4"),
        (Wanted((1,), (4,), cores=(2,)), "pipeline of 4"),
    ],
)
def test_what_does_not_fit_is_refused(wanted, says):
    with pytest.raises(UsageError, match=says):
        setups_of(wanted, "inf1.xlarge")


def test_an_unknown_size_is_refused():
    with pytest.raises(UsageError, match=r"inf1\.huge"):
        setups_of(Wanted((1,)), "inf1.huge")
