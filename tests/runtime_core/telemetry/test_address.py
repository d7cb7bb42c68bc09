"""The normalized form of a daemon's address."""

import pytest

from runtime_core.telemetry.address import normal_address


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("unix:/run/n.sock", "unix:///run/n.sock", True),
        ("localhost:1", "LOCALHOST:1", True),
        ("unix:/run/N.sock", "unix:/run/n.sock", False),
        ("localhost:1", "localhost:2", False),
    ],
)
def test_spellings(one, other, same):
    assert (normal_address(one) == normal_address(other)) is same
