"""The kubelet's service over a real socket: responses, failures, invalid data, restarts."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime_core.telemetry.kubelet.client import Kubelet, KubeletError
from runtime_core.telemetry.kubelet.holdings import Holding

CORE = "aws.amazon.com/neuroncore"


@pytest.fixture
def client(kubelet):
    made = Kubelet(kubelet.socket, timeout_seconds=5)
    yield made
    made.close()


def test_what_containers_were_given_is_read(kubelet, client):
    kubelet.tell(("web", "main", CORE, ["0", "1"]), ("batch", "train", CORE, ["2"]))
    assert client.holdings() == (
        Holding("web", "default", "main", CORE, ("0", "1")),
        Holding("batch", "default", "train", CORE, ("2",)),
    )


def test_fields_that_nobody_reads_are_skipped(kubelet, client):
    kubelet.tell(("web", "main", CORE, ["0"]))
    # cpu_ids (3) of ContainerResources and topology (3) of ContainerDevices, as a real kubelet sends them.
    device = b"\x0a\x19aws.amazon.com/neuroncore\x12\x010\x1a\x04\x0a\x02\x08\x01"
    container = b"\x0a\x04main\x12" + bytes([len(device)]) + device + b"\x1a\x02\x01\x02"
    pod = b"\x0a\x03web\x12\x07default\x1a" + bytes([len(container)]) + container
    kubelet.answer = b"\x0a" + bytes([len(pod)]) + pod
    assert client.holdings() == (Holding("web", "default", "main", CORE, ("0",)),)


def test_a_failing_kubelet_is_named_with_the_reason(kubelet, client):
    kubelet.answer = grpc.StatusCode.UNAVAILABLE
    with pytest.raises(KubeletError, match=r"kubelet\.sock gave no answer: unavailable: it is being tested"):
        client.holdings()


def test_no_kubelet_is_an_error(tmp_path):
    client = Kubelet(tmp_path / "nobody.sock", timeout_seconds=5)
    with pytest.raises(KubeletError):
        client.holdings()
    client.close()


def test_a_restarted_kubelet_is_found_again(kubelet, client, wait):
    client.holdings()
    kubelet.stop()
    with pytest.raises(KubeletError):
        client.holdings()
    kubelet.start()

    def answered():
        try:
            return client.holdings() == ()
        except KubeletError:
            return False

    wait(answered)


def test_a_closed_connection_gives_no_answer(kubelet):
    client = Kubelet(kubelet.socket)
    client.close()
    with pytest.raises(KubeletError):
        client.holdings()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_garbage_is_an_error_or_an_answer_and_never_anything_else(kubelet, client, garbage):
    kubelet.answer = garbage
    with suppress(KubeletError):
        assert all(isinstance(holding, Holding) for holding in client.holdings())


def test_the_checked_in_code_is_what_the_proto_file_makes(tmp_path):
    pytest.importorskip("grpc_tools")
    root = Path(__file__).parents[3]
    source = "runtime_core/telemetry/kubelet/podresources.proto"
    arguments = ["-m", "grpc_tools.protoc", "-I.", f"--python_out={tmp_path}", source]
    subprocess.run([sys.executable, *arguments], cwd=root, check=True, timeout=60)

    def descriptor(path):
        """The line with the file; the lines around it depend on the version of the compiler."""
        return [line for line in path.read_text().splitlines() if line.startswith("DESCRIPTOR =")]

    made = source.replace(".proto", "_pb2.py")
    assert descriptor(tmp_path / made) == descriptor(root / made) != []
