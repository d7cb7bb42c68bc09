"""The runtime's environment variables."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_core.nrt.config import format_cores, read_config, usable_cores
from runtime_core.ranges import format_ranges, parse_ranges
from runtime_core.status import NrtError, NrtStatus


@pytest.mark.parametrize(
    ("text", "cores"),
    [("0", (0,)), ("0-3", (0, 1, 2, 3)), ("1,4-5", (1, 4, 5)), (" 2 , 0-1", (0, 1, 2)), ("3,3", (3,))],
)
def test_core_lists(text, cores):
    assert parse_ranges(text) == cores


@pytest.mark.parametrize("text", ["x", "1-", "-1", "3-1", "1,,2", "1.5", "0-99999", "٣", "1 2"])
def test_malformed_core_lists_name_the_variable(text):
    with pytest.raises(NrtError, match="NEURON_RT_VISIBLE_CORES") as caught:
        read_config({"NEURON_RT_VISIBLE_CORES": text})
    assert caught.value.status is NrtStatus.INVALID


@given(st.sets(st.integers(0, 63), min_size=1))
def test_cores_survive_being_written_as_ranges(cores):
    ordered = tuple(sorted(cores))
    assert parse_ranges(format_cores(ordered).replace("nc", "")) == ordered
    assert parse_ranges(format_ranges(ordered)) == ordered


@given(st.text(max_size=20))
def test_any_text_is_a_list_or_one_clear_error(text):
    try:
        read_config({"NEURON_RT_VISIBLE_CORES": text})
    except NrtError as error:
        assert error.status is NrtStatus.INVALID


def test_defaults():
    config = read_config({})
    assert config.visible_cores is config.core_count is config.visible_devices is None
    assert (config.timeout_seconds, config.validate_hash, config.tag) == (2.0, False, str(os.getpid()))


def test_visible_cores_win_over_a_count():
    config = read_config({"NEURON_RT_VISIBLE_CORES": "1", "NEURON_RT_NUM_CORES": "4"})
    assert (config.visible_cores, config.core_count) == ((1,), None)


def test_group_sizes_are_a_deprecated_count():
    config = read_config({"NEURONCORE_GROUP_SIZES": "2,1"})
    assert config.core_count == 3
    assert "deprecated" in config.warnings[0].what
    assert read_config({"NEURONCORE_GROUP_SIZES": "2", "NEURON_RT_NUM_CORES": "1"}).core_count == 1


def test_a_tag_has_255_characters_at_most():
    assert read_config({"NEURON_PROCESS_TAG": "x" * 300}).tag == "x" * 255


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf", "99999999999999999999"])
def test_a_timeout_is_a_positive_number(text):
    with pytest.raises(NrtError, match=r"NEURON_RT_EXEC_TIMEOUT.*more than 0 and at most 1000000"):
        read_config({"NEURON_RT_EXEC_TIMEOUT": text})


@pytest.mark.parametrize(("texts", "expected"), [("true 1 yes on TRUE On", True), ("false 0 no OFF", False)])
def test_the_spellings_of_a_flag(texts, expected):
    for text in texts.split():
        assert read_config({"NEURON_RT_VALIDATE_HASH": f" {text} "}).validate_hash is expected
    assert read_config({"NEURON_RT_VALIDATE_HASH": ""}).validate_hash is False


@pytest.mark.parametrize("text", ["maybe", "2", "y", "truee"])
def test_a_flag_of_another_spelling_is_refused(text):
    with pytest.raises(NrtError, match=f"NEURON_RT_VALIDATE_HASH='{text}': expected true or false") as caught:
        read_config({"NEURON_RT_VALIDATE_HASH": text})
    assert caught.value.status is NrtStatus.INVALID


def test_a_container_sees_the_cores_of_its_devices():
    assert usable_cores(read_config({"AWS_NEURON_VISIBLE_DEVICES": "1,3"}), 16) == (4, 5, 6, 7, 12, 13, 14, 15)
    assert usable_cores(read_config({"AWS_NEURON_VISIBLE_DEVICES": "ALL"}), 4) == (0, 1, 2, 3)
