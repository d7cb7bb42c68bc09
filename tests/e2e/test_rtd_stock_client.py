"""A client with only proto files: grpcio's stubs, compiled from a single file with another layout."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from chains import chain, chain_input

pytest.importorskip("grpc_tools")

from runtime_core.nrt import Runtime
from runtime_core.rtd.client import Client

pytestmark = pytest.mark.e2e

PROTOS = Path(__file__).parents[2] / "runtime_core/rtd/proto"
PUBLISHED = ("common", "nmgr", "nmgr_counters", "nmgr_service")
STOCK = """
import json, sys
import grpc, nmgr_pb2 as m, nmgr_pb2_grpc as g
address, neff, data = sys.argv[1], open(sys.argv[2], "rb").read(), bytes.fromhex(sys.argv[3])
with grpc.insecure_channel(address) as channel:
    nmgr, sessions, streams = g.nmgr_v1Stub(channel), g.nmgr_session_managerStub(channel), g.nmgr_streamStub(channel)
    import queue
    asked = queue.Queue()
    asked.put(m.session_monitor_request(framework_name="stock"))
    monitor = sessions.session_monitor(iter(asked.get, None))
    session = next(monitor).session_id
    group = nmgr.create_eg(m.create_eg_request(nc_count=1, session_id=session)).h_eg
    # The order of the published TensorFlow client: the size before the parameters, the chunks last.
    load = [m.load_request(h_eg=group), m.load_request(session_id=session), m.load_request(neff_size=len(neff))]
    load.append(m.load_request(model_params=m.model_params(timeout=m.u32(data=10), ninfer=m.u32(data=4))))
    load += [m.load_request(neff_chunk=m.file_chunk(chunk=neff[i : i + 1000])) for i in range(0, len(neff), 1000)]
    network = nmgr.load(iter(load)).h_nn
    assert nmgr.start(m.start_request(h_nn=network)).status.code == 0
    request = m.infer_request(h_nn=network, ifmap=[m.infer_io(name="x", buf=data)])
    outputs = [nmgr.infer(request).ofmap[0].buf]
    cookie = nmgr.infer_post(request).cookie
    outputs.append(nmgr.infer_wait(m.infer_wait_request(cookie=cookie)).ofmap[0].buf)
    outputs += [answer.ofmap[0].buf for answer in streams.infer_stream(iter([request] * 3))]
    count = nmgr.read_inference_counters(m.empty()).nmgr_counters.infer_count
    nmgr.unload(m.unload_request(h_nn=network))
    code = nmgr.infer(request).status.code
    asked.put(None)
    assert list(monitor) == [] and not nmgr.list_egs(m.empty()).eg_info
print(json.dumps([[o.hex() for o in outputs], count, code, "runtime_core" in sys.modules]))
"""


def test_stubs_compiled_from_the_protos_alone(spawn, node, tmp_path):
    text = "\n".join((PROTOS / f"{name}.proto").read_text() for name in PUBLISHED)
    body = re.sub(r"^(syntax|package|import) .*$", "", text, flags=re.MULTILINE)
    (tmp_path / "nmgr.proto").write_text(f'syntax = "proto3";\npackage nrt;\n{body}')
    compiler = [sys.executable, "-m", "grpc_tools.protoc", "-I.", "--python_out=.", "--grpc_python_out=.", "nmgr.proto"]
    subprocess.run(compiler, cwd=tmp_path, check=True, timeout=60)
    (tmp_path / "chain.neff").write_bytes(chain())
    x = chain_input()
    with Runtime(environment={"NEURON_RT_VISIBLE_CORES": "4"}) as runtime:
        expected = runtime.infer(runtime.load(chain()), {"x": x}).outputs["y"].tobytes().hex()
    folder = tempfile.mkdtemp(prefix="rtd-")
    try:
        address = f"unix:{folder}/n.sock"
        spawn("neuron_tools.rtd", "-g", address, "-x")
        with Client(address) as client:
            client.wait_until_ready(30)
        stock = [sys.executable, "-c", STOCK, address, "chain.neff", x.tobytes().hex()]
        done = subprocess.run(stock, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == [[expected] * 5, 5, 3, False]
    finally:
        shutil.rmtree(folder)
