"""Failed requests are kept and retried, refused ones are not; the errors are those of boto3."""

import boto3
import pytest
from botocore.stub import Stubber

from neuron_monitor.cloudwatch import send
from neuron_monitor.cloudwatch.client import connect, putter
from neuron_monitor.cloudwatch.send import NotSent, Sender
from neuron_monitor.cloudwatch.table import Figure, Unit
from neuron_monitor.cloudwatch.window import Window

REGION = "us-east-1"


def figure(value, name="m"):
    return Figure(name, Unit.COUNT, (("RuntimeTag", "web"),), value)


class Endpoint:
    """A client that accepts requests or fails with a given error."""

    def __init__(self):
        self.values = []
        self.problem = None

    def put(self, batch):
        if self.problem is not None:
            raise self.problem
        self.values += [value for datum in batch for value in datum["Values"]]


@pytest.fixture
def sending():
    """A sender whose period never ends by itself, its messages, and its client."""
    window, endpoint, said = Window(), Endpoint(), []
    return window, endpoint, said, Sender(window, endpoint.put, 3600.0, said.append)


def test_an_outage_is_said_once_and_nothing_is_lost(sending):
    window, endpoint, said, sender = sending
    endpoint.problem = NotSent("no route", refused=False)
    for value in (1, 2):
        window.add([figure(value)], 0.0)
        sender._send()
    assert said == ["sending failed, and will be retried: no route"]
    endpoint.problem = None
    window.add([figure(3)], 0.0)
    assert sender.finish() == 0
    assert endpoint.values == [1, 2, 3]
    assert said[1:] == ["sending works again"]


def test_what_is_refused_is_left_out_and_the_rest_goes_on(sending):
    window, endpoint, said, sender = sending
    endpoint.problem = NotSent("bad value", refused=True)
    window.add([figure(1)], 0.0)
    sender._send()
    endpoint.problem = None
    window.add([figure(2)], 0.0)
    assert sender.finish() == 0
    assert endpoint.values == [2]
    assert said == ["1 values were rejected and dropped: bad value"]


def test_a_long_outage_loses_the_oldest_and_says_so(sending, monkeypatch):
    monkeypatch.setattr(send, "MAX_WAITING_DATA", 3000)
    window, endpoint, said, sender = sending
    endpoint.problem = NotSent("no route", refused=False)
    for start in range(0, 4000, 1000):
        window.add([figure(start, f"m{n}") for n in range(1000)], 0.0)
        sender._send()
    assert said[-1] == "the oldest 1000 values were dropped: too many are waiting to be sent"
    endpoint.problem = None
    assert sender.finish() == 0
    assert min(endpoint.values) == 1000
    assert len(endpoint.values) == 3000


def test_it_sends_every_period_by_itself(wait):
    window, endpoint = Window(), Endpoint()
    sender = Sender(window, endpoint.put, 0.02, pytest.fail)
    for value in range(3):
        window.add([figure(value)], 0.0)
        wait(lambda value=value: value in endpoint.values)
    assert sender.finish() == 0


def test_after_four_attempts_it_waits_for_the_next_period(flaky):
    flaky.failures = 4
    client = connect(REGION, f"http://127.0.0.1:{flaky.server_port}")
    window, said = Window(), []
    sender = Sender(window, putter(client, "Neuron"), 3600.0, said.append)
    window.add([figure(1)], 0.0)
    sender._send()
    assert len(flaky.bodies) == 4
    assert len(said) == 1
    assert sender.finish() == 0
    assert len(flaky.bodies) == 5


@pytest.mark.parametrize(
    ("code", "status", "refused"),
    [
        ("InvalidParameterValue", 400, True),
        ("InvalidParameterValueException", 400, True),
        ("AccessDenied", 403, False),
        ("Throttling", 400, False),
        ("InternalServiceError", 500, False),
    ],
)
def test_errors_of_the_service_are_final_only_where_the_request_is_wrong(code, status, refused):
    client = boto3.client("cloudwatch", region_name=REGION)
    with Stubber(client) as stub:
        for _ in range(10):
            stub.add_client_error("put_metric_data", code, "no", status)
        window = Window()
        window.add([figure(1)], 0.0)
        with pytest.raises(NotSent) as caught:
            putter(client, "Neuron")(window.take())
    assert caught.value.refused is refused


def test_a_request_that_boto3_itself_finds_wrong_is_refused():
    window = Window()
    window.add([figure("not a number")], 0.0)
    with pytest.raises(NotSent) as caught:
        putter(boto3.client("cloudwatch", region_name=REGION), "Neuron")(window.take())
    assert caught.value.refused
