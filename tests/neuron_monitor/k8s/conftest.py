"""A kubelet for the tests of this folder."""

import pytest
from fake_kubelet import FakeKubelet


@pytest.fixture
def kubelet():
    made = FakeKubelet()
    yield made
    made.close()
