"""What the screen shows, before it is drawn."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from worlds import BUSY, MIB, make_runtime, make_snapshot

from neuron_console.units import format_bytes
from neuron_top.bars import bar
from neuron_top.draw import overview as draw
from neuron_top.draw.tabs import tab_line
from neuron_top.draw.tree import tree_line
from neuron_top.formatting import format_flops, format_percent, shorten, shorten_node
from neuron_top.glyphs import ASCII, UNICODE
from neuron_top.model.models import make_models
from neuron_top.model.overview import make_view, tab_names, visible_rows
from runtime_core.telemetry import rates


def view(selected=0, runtimes=BUSY, size="inf1.6xlarge"):
    before, after = (make_snapshot(size, s, runtimes) for s in (1.0, 2.0))
    return make_view(after, rates(before, after), selected)


def test_numbers_have_units_and_unknown_is_not_zero():
    assert [format_bytes(v) for v in (0, 1023, 1536, 8 << 30, None)] == ["0 B", "1023 B", "1.5 KiB", "8.0 GiB", "N/A"]
    assert [format_percent(v) for v in (0.0, 0.3502, 1.0, None)] == ["  0.00%", " 35.02%", "100.00%", "    N/A"]
    assert [format_flops(v) for v in (0.0, 2.46e12, None)] == ["0.00 FLOPS", "2.46 TFLOPS", "N/A"]


@given(st.none() | st.floats(-1, 2), st.integers(0, 60), st.booleans())
def test_a_bar_is_always_as_wide_as_asked(ratio, width, unicode):
    assert len(bar(ratio, width, UNICODE if unicode else ASCII)) == width


@given(st.text(max_size=50), st.integers(0, 30))
def test_shortened_text_fits(text, width):
    assert cell_len(shorten(text, width)) <= width


@given(st.from_regex(r"[a-z0-9.:-]{1,60}", fullmatch=True), st.integers(4, 40))
def test_a_shortened_name_of_a_node_fits(name, width):
    assert len(shorten_node(name, width)) <= width


def test_a_wide_character_that_does_not_fit_leaves_no_gap():
    assert shorten("翻訳サービス", 6) == "翻訳…"


def test_names_of_nodes_keep_what_tells_them_apart():
    assert shorten_node("batch-with-a-long-group-name-0007", 22) == "batch-with…p-name-0007"
    assert shorten_node("batch-with-a-long-group-name-0007:8000", 22) == "batch-with…p-name-0007"
    assert shorten_node("ip-10-0-123-45.eu-west-1.compute.internal:8000", 22) == "ip-10-0-123-45.eu-wes…"
    assert shorten_node("10.0.123.45:8000", 22) == "10.0.123.45:8000"


def test_a_long_tag_leaves_room_for_pid_and_state():
    loaded = make_runtime(1.0, 4711, (0,), "a-tag-that-is-much-longer-than-the-place-that-there-is-for-it")
    model = loaded.models[0]._replace(name="a-model-whose-name-is-also-too-long-for-a-terminal-of-80-columns")
    (process,) = make_models(make_snapshot(runtimes=(loaded._replace(models=(model,)),)), 0)
    for depth, row, kept in (
        (0, process, "… (pid 4711), 1 model "),
        (1, process.children[0], f"…  running  {model.uuid[:8]} "),
    ):
        assert kept in tree_line(depth, row, 80, opened=True).plain


def test_tabs_are_tags_and_equal_tags_are_told_apart():
    twins = make_snapshot(runtimes=((1, (0,), "web"), (2, (1,), "web"), (3, (2,), "db")))
    assert tab_names(twins) == ("all", "web:1", "web:2", "db")


def test_cores_show_their_owners_rates():
    rows = view().rows
    assert rows[0].cores[0].utilization_ratio == 0.5
    assert rows[0].cores[0].flops_per_second == 4e12
    assert not rows[2].cores[0].owned
    only = view(selected=2).rows
    assert only[0].cores[0].utilization_ratio == 0.0
    assert only[1].cores[0].utilization_ratio == 0.5


def test_a_parent_is_the_sum_of_its_children():
    def check(row):
        if row.children:
            assert row.device_bytes == sum(c.device_bytes for c in row.children)
            assert row.host_bytes == sum(c.host_bytes for c in row.children)
            for child in row.children:
                check(child)

    shown = view()
    for row in shown.tree:
        check(row)
    assert sum(r.device_bytes for r in shown.tree) == shown.memory.device_total == 3 * 52 * MIB


def test_before_the_second_look_nothing_is_known():
    first = make_view(make_snapshot(runtimes=BUSY), None, 0)
    assert first.rows[0].cores[0].utilization_ratio is None
    assert first.vcpu.system_user is None


def test_a_runtime_that_cannot_be_read_breaks_nothing():
    stuck = make_runtime(1.0, 9, (3,), "stuck", error="stuck")._replace(host_memory=None)
    shown = make_view(make_snapshot(runtimes=(stuck,)), None, 1)
    assert shown.memory.host_total is None
    assert "N/A" in draw.memory_lines(shown.memory, 80)[1].plain


@given(st.sampled_from(["inf1.xlarge", "inf1.6xlarge", "inf1.24xlarge"]), st.integers(20, 250), st.booleans())
def test_no_line_is_wider_than_the_screen(size, width, flops):
    shown = view(size=size, runtimes=BUSY if size != "inf1.xlarge" else BUSY[:1])
    lines = [
        *draw.core_lines(shown.rows, width, flops=flops),
        *draw.vcpu_lines(shown.vcpu, width),
        *(tree_line(d, r, width, opened=True) for d, r in visible_rows(shown.tree, lambda _: True)),
        tab_line(shown.tabs, shown.selected, width),
        *draw.memory_lines(shown.memory, width),
    ]
    assert all(line.cell_len <= width for line in lines)
