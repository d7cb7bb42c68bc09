"""A tag filter needs linear time for every pattern and every tag."""

import time

import pytest

from neuron_monitor.tags import tag_filter


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a*)*b", "(.*a){20}$", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_nested_quantifiers_do_not_silence_the_monitor(pattern):
    began = time.process_time()
    assert tag_filter(pattern).search("a" * 255 + "!") is None
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("pattern", "tag", "found"),
    [("^web$", "web", True), ("^web$", "web2", False), ("b", "web", True), ("(?i)WEB", "web", True),
     ("翻訳", "翻訳サービス", True), (r"\d+", "x12", True), ("a|b", "c", False), ("", "x", True)],
)  # fmt: skip
def test_what_an_expression_finds(pattern, tag, found):
    assert (tag_filter(pattern).search(tag) is not None) is found


@pytest.mark.parametrize("pattern", ["(", "[", "a**", r"(?=x)y", r"(a)\1", "((x{100}){100}){100}", "a" * 5000, "\\"])
def test_what_is_none_is_refused_in_words(pattern):
    with pytest.raises(ValueError, match=r"\w") as caught:
        tag_filter(pattern)
    assert "\n" not in str(caught.value)
