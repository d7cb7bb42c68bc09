"""Two hundred planted secrets are all removed, clean text is unchanged, and every text needs linear time."""

import time

import pytest

from neuron_tools.gatherinfo import secret_values
from neuron_tools.gatherinfo.scrub import Scrubber
from tests.attack.planted_secrets import CLEAN, HOSTS, corpus


@pytest.mark.parametrize("installed", [True, False], ids=["with-detect-secrets", "without"])
def test_no_planted_secret_is_left(monkeypatch, installed):
    if not installed:
        monkeypatch.setattr(secret_values, "_detectors", tuple)
    planted = corpus()
    assert len(planted) >= 200
    left = [(text, Scrubber().scrub(text)) for text, secret in planted if secret in Scrubber().scrub(text)]
    if not installed:
        # Only the detector recognises its form.
        left = [pair for pair in left if "-us12" not in pair[0]]
    assert left == []


def test_many_in_one_text():
    planted = corpus()
    scrubbed = Scrubber().scrub("\n\n".join(text for text, _ in planted if "BEGIN" not in text and "PuTTY" not in text))
    assert [secret for _, secret in planted if secret in scrubbed] == []


@pytest.mark.parametrize("text", CLEAN)
def test_clean_text_is_untouched(text):
    assert Scrubber(host_names=["build7"]).scrub(text) == text


@pytest.mark.parametrize("host", HOSTS)
def test_no_host_is_left(host):
    scrubbed = Scrubber(host_names=["build7"]).scrub(f"serve --listen {host} now")
    assert host not in scrubbed
    assert scrubbed.startswith("serve --listen [")


HARD = {
    "underscores": "_" * 50_000,
    "a name without end": "password" * 6_000,
    "names": "password_" * 5_000 + "=",
    "dashes": "-" * 50_000,
    "flags": "--token " * 6_000,
    "quotes": "password='" * 5_000,
    "escapes": "\\" * 25_000 + '"',
    "brackets": "tokens=[" * 5_000,
    "urls": "://a:" * 10_000,
    "at signs": "://a:" + "@" * 50_000,
    "begins": "-----BEGIN PRIVATE KEY-----" * 2_000,
    "colons": ":" * 50_000,
    "digits": "1." * 25_000,
    "yaml": "token:\n" * 6_000,
    "indented": "token:\n" + " x\n" * 15_000,
    "names of hosts": "build7." * 8_000,
    "one line": "a" * 50_000,
    "jwt": "eyJ" * 15_000,
}


@pytest.mark.parametrize("text", HARD.values(), ids=HARD)
def test_time_grows_with_the_text_and_not_with_its_square(text):
    """Sixteen times the text needs less than sixty times the time; quadratic time would be 256 times."""

    def seconds(part):
        began = time.process_time()
        Scrubber(host_names=["build7"]).scrub(part)
        return time.process_time() - began

    seconds("warm up")
    short = max(min(seconds(text[: len(text) // 16]) for _ in range(3)), 0.002)
    assert seconds(text) < 60 * short
