import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuron_console import units


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (units.format_bytes, None, "N/A"),
        (units.format_bytes, 1023, "1023 B"),
        (units.format_bytes, 61_341_696, "58.5 MiB"),
        (units.format_bytes, 5 << 40, "5.0 TiB"),
        (units.format_latency, 999_999.0, "1.00 ms"),
        (units.format_latency, 1470.0, "1.47 µs"),
        (units.format_latency, None, "N/A"),
        (units.format_span, 42.4, "42 s"),
        (units.format_span, 200, "3 min 20 s"),
        (units.format_span, 7500, "2 h 5 min"),
    ],
)
def test_formats(function, value, text):
    assert function(value) == text


def test_quantities():
    assert units.format_quantity(2.46e12, "FLOPS") == "2.46 TFLOPS"
    assert units.format_quantity(None, "FLOPS") == "N/A"


def test_json_numbers_lose_their_noise_and_nothing_else():
    tree = {"a": 0.00040343552000000004, "b": [1 << 60, True, None, "0.10"], "c": (0.1 + 0.2,)}
    assert units.rounded(tree) == {"a": 0.00040343552, "b": [1 << 60, True, None, "0.10"], "c": [0.3]}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_rounding_is_stable_and_short(value):
    once = units.rounded(value)
    assert units.rounded(once) == once
    assert once == pytest.approx(value, rel=1e-8)
    assert len(f"{once!r}".partition("e")[0].strip("-0.").replace(".", "").rstrip("0")) <= 9
