"""Parse pages with the parsers of the client library."""

import ssl

import pytest
import trustme
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from neuron_monitor.prometheus.page import Page
from neuron_monitor.prometheus.text import Format


class Samples(dict):
    """(name, labels without the instance's) -> value."""

    def only(self, name, **labels):
        """The values of all series that have the given labels."""
        return [v for (n, own), v in self.items() if n == name and labels.items() <= dict(own).items()]

    def one(self, name, **labels):
        (value,) = self.only(name, **labels)
        return value

    def names(self):
        return {name for name, _ in self}


INSTANCE = {"instance_name", "instance_id", "instance_type", "availability_zone", "region", "subnet_id"}


def read(text, *, openmetrics=False):
    found = Samples()
    for family in (parse_openmetrics if openmetrics else parse_text)(text):
        for sample in family.samples:
            own = tuple(sorted((k, v) for k, v in sample.labels.items() if k not in INSTANCE))
            key = sample.name, own
            assert key not in found, f"{key} is there twice"
            found[key] = sample.value
    return found


@pytest.fixture(name="read")
def read_page():
    return read


@pytest.fixture
def shown():
    """Show reports on a page; returns the samples that a scraper reads, which are equal in both formats."""
    page = Page()

    def show(node):
        page.show(node, 0.0)
        text = read(b"".join(page.scrape()).decode())
        other = read(b"".join(page.scrape(Format.OPENMETRICS)).decode(), openmetrics=True)
        ours = {
            key: value
            for key, value in text.items()
            if not key[0].startswith(("process_", "python_", "neuron_monitor_"))
        }
        assert ours.items() <= other.items()
        return text

    return show


class Authority:
    """A certificate authority: certificates for servers and for clients."""

    def __init__(self):
        self._ca = trustme.CA()

    def write_to(self, folder):
        """Write ``ca.pem``, and new ``server.pem`` and ``server.key``."""
        issued = self._ca.issue_cert("localhost", "127.0.0.1")
        issued.private_key_pem.write_to_path(folder / "server.key")
        issued.cert_chain_pems[0].write_to_path(folder / "server.pem")
        self._ca.cert_pem.write_to_path(folder / "ca.pem")

    def write_client_to(self, folder, name):
        """``client.pem`` and ``client.key``."""
        issued = self._ca.issue_cert(name)
        issued.private_key_pem.write_to_path(folder / "client.key")
        issued.cert_chain_pems[0].write_to_path(folder / "client.pem")

    def client(self, name=None):
        """The TLS context of a client: its trusted authority and its own certificate."""
        context = ssl.create_default_context()
        self._ca.configure_trust(context)
        if name is not None:
            self._ca.issue_cert(name).configure_cert(context)
        return context


@pytest.fixture(scope="session")
def authority():
    return Authority()
