"""Generated runtimes on a node, without models."""

import pytest

from runtime_core.driver import ownership
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.pages.page import RuntimePage


@pytest.fixture
def store(node):
    opened = Datastore(node, writable=True)
    yield opened
    opened.close()


@pytest.fixture
def make_page(store):
    made = []

    def make(*cores, tag="t"):
        page = RuntimePage(store, tag=tag, command="app", version="0.1.0")
        assert ownership.claim_cores(store.locks, cores) is not None
        page.own_cores(cores)
        made.append((page, cores))
        return page

    yield make
    for page, cores in made:
        page.release()
        ownership.release_cores(store.locks, cores)
