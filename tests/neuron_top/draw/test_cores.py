"""The heat map fits, and its curves are of five minutes whatever the width."""

import pytest
from busy_world import make_busy_node

from neuron_top.draw.cores import heat_lines, legend, plan
from neuron_top.glyphs import ASCII, UNICODE
from neuron_top.model.moment import make_moment
from neuron_top.model.overview import core_rows


@pytest.mark.parametrize("size", ["inf1.xlarge", "inf1.24xlarge"])
@pytest.mark.parametrize("flops", [False, True])
@pytest.mark.parametrize(("width", "height"), [(80, 20), (120, 36), (250, 66), (78, 16)])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_every_core_has_its_place(size, flops, width, height, glyphs):
    moment = make_moment(make_busy_node(10.0, size), make_busy_node(11.0, size))
    rows = core_rows(moment.snapshot, moment.rates, moment.snapshot.runtimes)
    place = plan(width, height, rows, flops=flops)
    series = {cell.core: [0.5] * place.curve for row in rows for cell in row.cores}
    lines = heat_lines(rows, width, place, {0: "翻訳サービス" * 3}, series, flops=flops, glyphs=glyphs)
    assert all(line.cell_len <= width for line in lines)
    if flops is False:
        # Nothing is cut: every core ends in its curve.
        assert lines[1].plain.count(glyphs.levels[4]) == 4 * place.curve or place.lines > 1
    assert len(lines) == 1 + len(rows) * (place.lines + place.gap)
    assert place.lines == 1 or len(lines) <= height


def test_the_legend_fits():
    assert all(legend(width).cell_len <= width for width in range(20, 200))
