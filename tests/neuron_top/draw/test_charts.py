"""Charts, bars, sparklines: as wide and as high as asked, and true to an eighth of a cell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuron_console.units import format_bytes
from neuron_top.bars import bar, curve_rows, heat_colour, load_colour, sparkline
from neuron_top.draw.charts import AXIS_CELLS, Chart, Curve, chart_lines, scale_top, time_axis
from neuron_top.formatting import format_percent
from neuron_top.glyphs import ASCII, UNICODE

VALUES = st.lists(st.none() | st.floats(0, 1e12), max_size=120)


@given(VALUES, VALUES, st.integers(30, 200), st.integers(2, 30), st.sampled_from([UNICODE, ASCII]))
def test_a_chart_fills_its_place_exactly(low, high, width, height, glyphs):
    chart = Chart("Latency", (Curve("p50", low), Curve("p99", high)), format_percent)
    lines = chart_lines(chart, width, height, glyphs)
    assert len(lines) == height
    assert {line.cell_len for line in lines} == {width}


def dots(values, rows=4, maximum=1.0):
    """Heights of the dots in the last cell of a chart of lines, from the bottom, in quarters of a cell."""
    width = AXIS_CELLS + 1 + (len(values) + 1) // 2
    lines = chart_lines(Chart("x", (Curve("", values),), format_percent, maximum), width, rows + 1)
    found = []
    for row, line in enumerate(reversed(lines[1:])):
        bits = ord(line.plain[-2]) - 0x2800
        found += [row * 4 + i for i, bit in enumerate((0x80, 0x20, 0x10, 0x08)) if 0 < bits < 256 and bits & bit]
    return found


@pytest.mark.parametrize(("value", "height"), [(0.0, 0), (1.0, 15), (0.5, 8), (1 / 32, 0), (0.26, 4), (2.0, 15)])
def test_a_value_is_as_high_as_its_share_to_a_dot(value, height):
    assert dots([value, value]) == [height]


def test_a_rise_is_one_stroke_and_both_curves_are_seen():
    assert dots([0.0, 1.0]) == list(range(16))
    chart = Chart("Latency", (Curve("p50", [0.1] * 40, "red"), Curve("p99", [0.9] * 40, "blue")), format_percent, 1.0)
    lines = chart_lines(chart, AXIS_CELLS + 21, 9)
    drawn = {str(span.style) for line in lines[1:] for span in line.spans}
    assert {"red", "blue"} <= drawn


def test_ascii_charts_are_blocks_of_the_higher_curve():
    chart = Chart("Latency", (Curve("p50", [0.2] * 40), Curve("p99", [1.0] * 40)), format_percent, 1.0)
    lines = chart_lines(chart, AXIS_CELLS + 21, 9, ASCII)
    assert all(line.plain[AXIS_CELLS : AXIS_CELLS + 20] == ASCII.levels[-1] * 20 for line in lines[1:])


def test_unknown_is_blank_and_told():
    lines = chart_lines(Chart("Throughput", (Curve("", [None, None]),), format_percent), 60, 5)
    assert "N/A in this span" in lines[0].plain
    assert all(line.plain[AXIS_CELLS:].replace("\u00b7", "").strip() == "" for line in lines[1:])


def test_warnings_and_errors_are_marked_on_the_time_axis():
    line = time_axis(60.0, 100, "14:03:22", [45.0, 600.0], UNICODE)
    assert line.cell_len == 100
    at = line.plain.index(UNICODE.rising)
    assert at == pytest.approx(AXIS_CELLS + (100 - AXIS_CELLS - 1) * 0.25, abs=1)
    assert line.plain.count(UNICODE.rising) == 1


@given(st.floats(1e-3, 1e15), st.sampled_from([10, 1024]))
def test_a_scale_is_the_next_round_number(largest, base):
    top = scale_top(largest, base)
    assert largest <= top * 1.00001
    assert top <= largest * 2.5
    assert scale_top(0.0) == 1.0


def test_bytes_have_binary_scales():
    assert format_bytes(round(scale_top(1.6 * 2**30, 1024))) == "2.0 GiB"


def test_the_axis_tells_how_long_ago():
    line = time_axis(300.0, 100, "14:03:22")
    assert line.cell_len == 100
    assert line.plain.split("  ")[0].strip() == ""
    assert all(word in line.plain for word in ("-5 min", "-2 min 30 s", "14:03:22"))


@given(st.floats(0, 1), st.integers(1, 60))
def test_a_bar_is_right_to_an_eighth_of_a_cell(ratio, width):
    eighths = sum(UNICODE.eighths.index(c) for c in bar(ratio, width))
    assert abs(eighths - ratio * width * 8) <= 0.5


@given(st.lists(st.none() | st.floats(-1, 2), max_size=40))
def test_a_sparkline_has_a_character_a_value_and_shows_the_least_load(values):
    line = sparkline(values, 1.0)
    assert len(line) == len(values)
    for value, character in zip(values, line):
        assert (character == " ") == (value is None or value <= 0)


@given(st.lists(st.none() | st.floats(-1, 2), max_size=40), st.integers(1, 6), st.sampled_from([UNICODE, ASCII]))
def test_a_curve_of_several_lines_is_a_higher_sparkline(values, rows, glyphs):
    lines = curve_rows(values, 1.0, rows, glyphs)
    assert [len(line) for line in lines] == [len(values)] * rows
    steps = len(glyphs.levels) - 1
    for value, *cells in zip(values, *lines):
        height = sum(glyphs.levels.index(c) for c in cells)
        wanted = 0 if value is None or value <= 0 else max(1, min(rows * steps, round(value * rows * steps)))
        assert height == wanted


def test_colours_follow_the_load():
    assert len({load_colour(x) for x in (0.1, 0.6, 0.9)}) == 3
    assert load_colour(None) == load_colour(0.0)
    assert len({heat_colour(x / 10 + 0.05) for x in range(10)}) == 10
    assert heat_colour(5.0) == heat_colour(1.0)
