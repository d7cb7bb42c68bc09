"""A complete session over the wire, with daemon and clients as separate processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from chains import chain, chain_input

pytest.importorskip("grpc")

from runtime_core.nrt import Runtime
from runtime_core.rtd.client import Client
from runtime_core.rtd.status import RtdError
from runtime_core.status import Nerr
from runtime_core.telemetry import open_source

pytestmark = pytest.mark.e2e


@pytest.fixture
def sockets():
    folder = Path(tempfile.mkdtemp(prefix="rtd-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def start_rtd(spawn, node, sockets):
    """Start neuron-rtd and wait until it responds; yields its process and its address."""

    def start(*arguments, name="n"):
        address = f"unix:{sockets}/{name}.sock"
        process = spawn("neuron_tools.rtd", "-g", address, "-x", *arguments)
        with Client(address) as client:
            client.wait_until_ready(30)
        return process, address

    return start


def bdf(device):
    return open_source().snapshot().devices[device].bdf


CLIENT = """
import sys, time
from pathlib import Path
from runtime_core.rtd.client import Client
with Client(sys.argv[1]) as client, client.session() as session:
    group = client.create_group(2, session=session)
    for path in sys.argv[2:]:
        print(client.load(Path(path), group=group, session=session), flush=True)
    print(group, flush=True)
    time.sleep(600)
"""


def test_a_full_life_over_the_wire(start_rtd, wait, tmp_path, squeezenet_neff):
    _, address = start_rtd("-t", bdf(0))
    small, large = squeezenet_neff.read_bytes(), chain(stages=4, rows=8, columns=16)
    rng = np.random.default_rng(0)
    image = rng.standard_normal((1, 3, 224, 224), np.float32)
    x = chain_input(8, 16)
    with Runtime(environment={"NEURON_RT_VISIBLE_CORES": "4-7"}) as runtime:
        model = runtime.load(small)
        (image_name,) = (t.name for t in model.graph.inputs)
        own_small = {n: a.tobytes() for n, a in runtime.infer(model, {image_name: image}).outputs.items()}
        own_large = {n: a.tobytes() for n, a in runtime.infer(runtime.load(large), {"x": x}).outputs.items()}
    with Client(address) as client:
        group = client.create_group(2)
        first = client.load(small, group=group, ninfer=4)
        second = client.load(large, group=group)
        assert {m.h_nn.id: m.shared_nc for m in client.models()} == {first: False, second: True}

        client.start(first)
        assert client.infer(first, {image_name: image.tobytes()}) == own_small
        client.start(second)
        assert client.infer(second, {"x": x.tobytes()}) == own_large
        client.start(first)

        cookies = [client.post(first, {image_name: image.tobytes()}) for _ in range(4)]
        with pytest.raises(RtdError) as refused:
            client.post(first, {image_name: image.tobytes()})
        assert refused.value.code is Nerr.QUEUE_FULL
        for cookie in (cookies[2], cookies[0], cookies[3], cookies[1]):
            assert client.wait(cookie) == own_small

        path = tmp_path / "large.neff"
        path.write_bytes(large)
        other = subprocess.Popen(
            [sys.executable, "-c", CLIENT, address, path, path], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        with other:
            assert [other.stdout.readline() for _ in range(3)][-1]
            assert len(client.models()) == 4 and len(client.groups()) == 2
            other.kill()
        wait(lambda: len(client.models()) == 2 and len(client.groups()) == 1)
        assert client.infer(first, {image_name: image.tobytes()}) == own_small
        client.unload_all()
        client.destroy_group(group)
    wait(lambda: open_source().snapshot().devices[0].memory_used_bytes == 0)


def test_a_daemon_that_is_killed_takes_nothing_of_the_others(start_rtd, wait):
    first, _ = start_rtd("-t", bdf(0), name="a")
    _, address = start_rtd("-t", bdf(1), name="b")
    x = {"x": chain_input().tobytes()}
    with Client(address) as client:
        network = client.load(chain())
        before = client.infer(network, x)
        first.kill()
        first.wait()
        assert client.infer(network, x) == before
    (left,) = open_source().snapshot().runtimes
    assert left.address == address
    _, again = start_rtd("-t", bdf(0), name="a")
    with Client(again) as client:
        assert client.infer(client.load(chain()), x) == before


def test_sigterm_ends_it_well(start_rtd):
    process, address = start_rtd()
    with Client(address) as client:
        client.load(chain())
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "[NRTD:main] stopped" in log
    assert open_source().snapshot().runtimes == ()


def test_devices_that_are_not_serially_connected(command, node, sockets):
    done = command("neuron_tools.rtd", "-g", f"unix:{sockets}/x", "-t", bdf(0), "-t", bdf(3))
    assert done.returncode == 2
    assert "Neuron Devices 0, 3 are not serially connected" in done.stderr
    assert "Traceback" not in done.stderr


def test_neuron_cli(start_rtd, command, tmp_path):
    _, address = start_rtd("-t", bdf(1))
    (tmp_path / "chain.neff").write_bytes(chain())
    np.save(tmp_path / "x.npy", chain_input())

    def cli(*arguments):
        done = command("neuron_tools.neuron_cli", *arguments, NEURON_RTD_ADDRESS=address)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert cli("create-ncg", "-n", 2) == "NCG 1 created with 2 NeuronCore(s)\n"
    network = json.loads(cli("load", tmp_path / "chain.neff", "--ncg-id", 1, "--json"))["model_id"]
    assert "STANDBY" in cli("list-model")
    cli("start", network)
    (listed,) = json.loads(cli("list-model", "--json"))["models"]
    assert (listed["model_state"], listed["neuron_device_start_index"]) == ("READY", 1)
    said = json.loads(cli("infer", network, "-i", f"x={tmp_path}/x.npy", "-o", tmp_path / "out", "--json"))
    result = np.load(said["outputs"][0]["file"])
    assert (result.shape, result.dtype) == ((2, 3), np.float32)
    assert cli("list-ncg").splitlines()[3].split() == ["|", "1", "|", "2", "|", "1", "|", "0", "|"]
    assert json.loads(cli("stop", network, "--json")) == {"model_id": network, "model_state": "STANDBY"}
    assert cli("reset") == "1 model(s) unloaded, 1 NCG(s) destroyed\n"
    assert json.loads(cli("list-ncg", "--json")) == {"neuroncore_groups": []}
    failed = command("neuron_tools.neuron_cli", "start", 5, NEURON_RTD_ADDRESS=address)
    assert failed.returncode == 1
    assert "network 5 is not loaded: load it first (NERR_INVALID_HANDLE)" in failed.stderr


def test_neuron_cli_sends_any_number_of_samples_to_a_dynamic_batch(start_rtd, command, tmp_path):
    onnx = pytest.importorskip("onnx")
    ends = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["N", 3]) for n in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "relu", ends[:1], ends[1:])
    opsets = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "m.onnx")
    samples = np.arange(-7, 8, dtype=np.float32).reshape(5, 3)
    np.save(tmp_path / "x.npy", samples)
    _, address = start_rtd("-t", bdf(1))

    def inferred(*options):
        neff = tmp_path / f"m{len(options)}.neff"
        assert command("neuron_tools.cc", "compile", tmp_path / "m.onnx", "-o", neff, *options).returncode == 0
        here = {"NEURON_RTD_ADDRESS": address}
        network = json.loads(command("neuron_tools.neuron_cli", "load", neff, "--json", **here).stdout)["model_id"]
        command("neuron_tools.neuron_cli", "start", network, **here)
        return command(
            "neuron_tools.neuron_cli", "infer", network, "-i", f"x={tmp_path}/x.npy", "-o", tmp_path, "--json", **here
        )

    done = inferred("--batch", "2", "--dynamic-batch")
    assert done.returncode == 0, done.stderr
    result = np.load(json.loads(done.stdout)["outputs"][0]["file"])
    np.testing.assert_array_equal(result, np.maximum(samples, 0))
    assert "requires 12 bytes, not 60 (NERR_INFER_BAD_INPUT)" in inferred().stderr


def test_neuron_cli_without_a_daemon(command, sockets):
    done = command("neuron_tools.neuron_cli", "list-ncg", NEURON_RTD_ADDRESS=f"unix:{sockets}/none.sock")
    assert done.returncode == 1
    assert "neuron-rtd does not respond" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_viewers_show_its_networks_with_its_address(start_rtd, command, tmp_path):
    _, address = start_rtd("-t", bdf(1), "-i", "first")
    start_rtd("-t", bdf(2), name="other")
    with Client(address) as client:
        client.load(chain(name="over-the-wire"))
        config = tmp_path / "monitor.json"
        spelled = address.replace("unix:/", "unix:///")
        metrics = [{"type": "memory_used"}, {"type": "neuroncore_counters"}]
        config.write_text(json.dumps({"neuron_runtimes": [{"address": spelled, "metrics": metrics}]}))
        done = command("neuron_monitor", "--once", "-c", config)
        (shown,) = json.loads(done.stdout)["neuron_runtime_data"]
        assert (shown["address"], shown["neuron_runtime_tag"]) == (address, "first")
        assert [m["name"] for m in shown["report"]["memory_used"]["loaded_models"]] == ["over-the-wire"]
        assert set(shown["report"]["neuroncore_counters"]["neuroncores_in_use"]) == {"4", "5", "6", "7"}
        top = command("neuron_top", "--once", "--interval", 0.1, address, COLUMNS="120")
        assert "over-the-wire" in top.stdout and "first" in top.stdout, top.stderr
        assert "first" in command("neuron_ls", "--json-output").stdout
