from hypothesis import given
from hypothesis import strategies as st

from neuron_console.text import ascii_only, cell_width, columns, framed, printable


@given(st.text())
def test_nothing_printable_drives_a_terminal(text):
    assert printable(text).isprintable()
    assert len(printable(text)) == len(text)
    assert ascii_only(text).isascii()


def test_columns_line_up_and_end_without_spaces():
    assert columns(("A", "NAME"), [(1, "x"), (22, "long\x1b[31m")]) == ["A   NAME", "1   x", "22  long?[31m"]


def test_wide_characters_take_two_columns():
    assert cell_width("推論x") == 5
    lines = framed(("TAG", "N"), [("推論", 1), ("abcd", 2)])
    assert {cell_width(line) for line in lines} == {len(lines[0])}


def test_a_framed_table_without_rows_ends_below_its_headings():
    assert framed(("A",), []) == ["+---+", "| A |", "+---+"]
