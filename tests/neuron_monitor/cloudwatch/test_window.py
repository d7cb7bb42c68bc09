"""Many values are combined into few requests, without loss and within CloudWatch's limits."""

import string
from collections import Counter
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from neuron_monitor.cloudwatch.table import Figure, Unit
from neuron_monitor.cloudwatch.window import Window, batches, dimension_value


def figure(value, name="m", tag="web"):
    return Figure(name, Unit.COUNT, (("RuntimeTag", tag),), value)


def counted(data):
    found = Counter()
    for datum in data:
        for value, count in zip(datum["Values"], datum["Counts"], strict=True):
            found[datum["MetricName"], datum["Dimensions"][0]["Value"], value] += count
    return found


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "y"]), st.integers(0, 400)), max_size=500))
def test_no_value_is_lost_or_doubled(given_values):
    window = Window()
    for name, tag, value in given_values:
        window.add([figure(value, name, tag)], 1000.0)
    data = window.take()
    assert counted(data) == Counter((n, t, v) for n, t, v in given_values)
    assert all(1 <= len(datum["Values"]) <= 150 for datum in data)
    assert window.take() == []


def test_equal_values_are_one_with_a_count_and_the_last_reports_time():
    window = Window()
    for second in range(60):
        window.add([figure(0)], 1000.0 + second)
    (datum,) = window.take()
    assert (datum["Values"], datum["Counts"]) == ([0], [60.0])
    assert datum["Timestamp"].timestamp() == 1059.0


def as_query(batch):
    """The size of a request in the oldest protocol of CloudWatch, which is the longest."""
    fields = {}
    for number, datum in enumerate(batch, 1):
        at = f"MetricData.member.{number}."
        fields[f"{at}MetricName"], fields[f"{at}Unit"] = datum["MetricName"], datum["Unit"]
        fields[f"{at}Timestamp"] = datum["Timestamp"].isoformat()
        for n, dimension in enumerate(datum["Dimensions"], 1):
            fields |= {f"{at}Dimensions.member.{n}.{key}": value for key, value in dimension.items()}
        for kind in ("Values", "Counts"):
            fields |= {f"{at}{kind}.member.{n}": value for n, value in enumerate(datum[kind], 1)}
    return urlencode(fields)


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=300), st.lists(st.floats(0, 1e18), max_size=200)), max_size=30),
    st.integers(1, 90),
)
def test_requests_keep_within_the_quotas(series, copies):
    window = Window()
    for number, (tag, values) in enumerate(series * copies):
        window.add([figure(value, f"m{number}", tag) for value in values], 1000.0)
    data = window.take()
    cut = list(batches(data))
    assert [datum for batch in cut for datum in batch] == data
    assert all(1 <= len(batch) <= 1000 for batch in cut)
    if cut:
        assert len(as_query(max(cut, key=len))) <= 1_000_000


def test_a_thousand_and_one_series_take_two_requests():
    window = Window()
    window.add([figure(1, f"m{n}") for n in range(1001)], 1000.0)
    assert sorted(map(len, batches(window.take()))) == [1, 1000]


@given(st.text(max_size=1500))
def test_any_tag_becomes_a_dimension_that_cloudwatch_takes(tag):
    value = dimension_value(tag)
    assert 1 <= len(value) <= 1024
    assert set(value) <= set(string.printable) - set("\t\n\r\x0b\x0c")
    assert value.strip()
    assert not value.startswith(":")


def test_ordinary_tags_stay_as_they_are():
    for tag in ("web", "1234", "team a/resnet-50", "a:b"):
        assert dimension_value(tag) == tag
    assert dimension_value("café") == "caf\\xe9"
    assert len(dimension_value("x" * 2000)) == 1024
