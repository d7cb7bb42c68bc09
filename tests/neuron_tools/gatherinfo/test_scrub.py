"""Secrets are removed, and useful information is kept."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuron_tools.gatherinfo.scrub import SECRET, Scrubber

SCRUBBER_NAMES = ("build7", "build7.corp.example")


def scrub(text, **options):
    return Scrubber(host_names=SCRUBBER_NAMES, **options).scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        "DB_PASSWORD=hunter2-x",
        "python serve.py --api-key hunter2-x --port 80",
        "serve --token=hunter2-x",
        '{"NEURON_TOKEN": "hunter2-x"}',
        json.dumps({"command": 'serve --header "Authorization: Bearer hunter2-x"'}),
        "curl https://me:hunter2-x@example.com/",
        "AWS_SECRET_ACCESS_KEY=hunter2-x",
        "-----BEGIN RSA PRIVATE KEY-----\nhunter2-x\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nhunter2-x",
        "password: hunter2-x",
    ],
)
@pytest.mark.parametrize("keep_hosts", [False, True])
def test_secrets_are_taken_out_always(text, keep_hosts):
    scrubbed = scrub(text, keep_hosts=keep_hosts)
    assert "hunter2" not in scrubbed
    assert SECRET in scrubbed


@pytest.mark.parametrize(
    "secret", ["AKIAIOSFODNN7EXAMPLE", "ghp_0123456789abcdefghijABCDEFGHIJ", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc"]
)
def test_secrets_that_are_known_by_their_shape(secret):
    assert secret not in scrub(f"serve {secret} now")


@pytest.mark.parametrize("host", ["10.1.2.3", "2001:db8::7", "02:42:ac:11:00:02", "build7", "ip-10-0-0-7.ec2.internal",
                                  "build7.corp.example", "fe80::1%eth0"])  # fmt: skip
def test_hosts_are_taken_out_unless_they_are_kept(host):
    text = f"serve --listen {host} now"
    assert host not in scrub(text)
    assert scrub(text, keep_hosts=True) == text


def test_the_same_host_has_the_same_word():
    assert scrub("10.1.2.3 10.1.2.4 10.1.2.3") == "[address-1] [address-2] [address-1]"


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:8000 and [::1]:8000, 0.0.0.0",
        "PCI 0000:00:1d.0, 12:30:45, a::b::c",
        "pass  source  sim:/tmp/node",
        "python 3.11.7, torch 2.6.0, builder7, build77",
        "cores 0-3, 0000:00:1f.0",
        "999.1.2.3",
    ],
)
def test_what_helps_stays(text):
    assert scrub(text) == text


def test_a_version_of_four_numbers_is_no_address_when_it_is_known():
    assert Scrubber(known=["2.3.11.0"]).scrub("driver 2.3.11.0, host 2.3.11.1") == "driver 2.3.11.0, host [address-1]"


@given(st.text(max_size=300))
def test_no_text_breaks_it_and_a_second_time_changes_nothing(text):
    once = scrub(text)
    assert Scrubber(host_names=SCRUBBER_NAMES).scrub(once) == once


@given(st.text("abc:=\"' \\-", max_size=40), st.sampled_from(["10.9.8.7", "fd00::9"]))
def test_an_address_between_blanks_is_always_found(text, address):
    assert address not in scrub(f"{text} {address} {text}")
