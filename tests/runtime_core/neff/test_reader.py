"""A NEFF survives the round trip; a hostile one is refused with its status and one line."""

import dataclasses
import gzip
import hashlib
import io
import itertools
import json
import tarfile

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime_core.neff import writer
from runtime_core.neff.archive import NeffLimits
from runtime_core.neff.graph import DType, Graph, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.header import Header, pack_header
from runtime_core.neff.model import Neff
from runtime_core.neff.reader import hash_matches, load_neff, read_neff
from runtime_core.neff.writer import encode_neff, save_neff
from runtime_core.status import NeffError, NrtStatus


def pack_members(members, kind=tarfile.REGTYPE):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.type = kind
            if kind != tarfile.REGTYPE:
                info.size, info.linkname = 0, "/etc/passwd"
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def with_payload(payload):
    header = Header(1, len(payload), 1, 0, "", 1, hashlib.sha256(payload).digest(), "ab" * 16, "x", 1, (1,))
    return pack_header(header) + payload


def refused(data, status=NrtStatus.INVALID, **options):
    with pytest.raises(NeffError) as caught:
        read_neff(data, **options)
    assert caught.value.status is status
    assert "\n" not in str(caught.value)
    return str(caught.value)


def manifest_of(neff):
    return json.loads(next(content for name, content in writer._members(neff) if name == "neff.json"))


def repacked(neff, change):
    """The NEFF with its manifest changed, and a hash that fits."""
    manifest = manifest_of(neff)
    change(manifest)
    members = [("neff.json", json.dumps(manifest).encode())]
    members += [(n, bytes(c)) for n, c in writer._members(neff)[1:]]
    return with_payload(pack_members(members))


def test_the_round_trip_keeps_everything(tiny_neff):
    data = encode_neff(tiny_neff)
    again = read_neff(data, validate_hash=True)
    assert again.graph == tiny_neff.graph
    assert again.params == tiny_neff.params
    assert len(again.uuid) == 32
    assert again.file_size_bytes == len(data)


def test_the_same_model_gives_the_same_bytes(tiny_neff):
    assert encode_neff(tiny_neff) == encode_neff(tiny_neff)


def test_the_payload_is_a_tgz_that_other_programs_read(tiny_neff):
    with tarfile.open(fileobj=io.BytesIO(encode_neff(tiny_neff)[1024:]), mode="r:gz") as archive:
        assert archive.getnames() == ["neff.json", "nodes/0/params.bin"]


def test_noise_is_stored_and_still_a_valid_gzip(tiny_neff):
    import numpy as np

    noise = np.random.default_rng(0).bytes(1 << 20)
    spec = TensorSpec("w", DType.UINT8, (1 << 20,))
    node = msgspec.structs.replace(
        tiny_neff.graph.nodes[0],
        parameters=(*tiny_neff.graph.nodes[0].parameters, Parameter(TensorSpec("n", DType.UINT8, spec.shape), 64)),
        params_bytes=64 + len(noise),
    )
    params = bytes(tiny_neff.params["sg00"]).ljust(64, b"\0") + noise
    neff = Neff(msgspec.structs.replace(tiny_neff.graph, nodes=(node,)), {"sg00": params})
    data = encode_neff(neff)
    assert gzip.decompress(data[1024:])
    assert read_neff(data).params["sg00"] == params


def test_md5_packaging_is_read_and_checked(tiny_neff):
    data = encode_neff(dataclasses.replace(tiny_neff, packaging_version=2))
    assert read_neff(data, validate_hash=True).packaging_version == 2


def test_a_file_is_written_whole_or_not_at_all(tiny_neff, tmp_path):
    save_neff(tiny_neff, tmp_path / "m.neff")
    assert load_neff(tmp_path / "m.neff").graph == tiny_neff.graph
    assert [p.name for p in tmp_path.iterdir()] == ["m.neff"]


def test_a_missing_file_is_one_clear_line(tmp_path):
    with pytest.raises(NeffError, match="can't be read"):
        load_neff(tmp_path / "none.neff")


def test_truncation_at_any_byte_is_refused(tiny_neff):
    data = encode_neff(tiny_neff)
    for size in range(len(data)):
        refused(data[:size])


def test_truncation_that_the_header_hides_is_refused_too(tiny_neff):
    payload = encode_neff(tiny_neff)[1024:]
    for size in range(len(payload)):
        refused(with_payload(payload[:size]))


def test_a_wrong_hash_is_refused_when_validation_is_on(tiny_neff):
    data = bytearray(encode_neff(tiny_neff))
    data[172] ^= 1
    assert not hash_matches(bytes(data))
    assert "hash" in refused(bytes(data), validate_hash=True)
    read_neff(bytes(data))


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "nodes/../../evil", "a\\..\\b"])
def test_a_path_that_leads_out_is_refused(tiny_neff, name):
    manifest = json.dumps(manifest_of(tiny_neff)).encode()
    message = refused(with_payload(pack_members([("neff.json", manifest), (name, b"x")])))
    assert "leads out" in message


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(kind):
    assert "refused" in refused(with_payload(pack_members([("neff.json", b"")], kind)))


def test_a_bomb_stops_at_the_limit(tiny_neff):
    manifest = json.dumps(manifest_of(tiny_neff)).encode()
    bomb = pack_members([("neff.json", manifest), ("nodes/0/params.bin", bytes(32 << 20))])
    assert len(bomb) < 1 << 20
    assert "allowed" in refused(with_payload(bomb), limits=NeffLimits(unpacked_bytes=1 << 20))
    refused(with_payload(bomb), limits=NeffLimits(unpacked_bytes=64 << 20))


def test_a_huge_manifest_is_refused_before_it_is_inflated():
    payload = pack_members([("neff.json", bytes(8 << 20))])
    assert "allowed" in refused(with_payload(payload), limits=NeffLimits(manifest_bytes=1 << 20))


@pytest.mark.parametrize("names", [["kelf-0.json", "kelf-0"], ["sg00/def.json"], ["neff.json", "kelf"]])
def test_a_neff_for_hardware_is_recognised(names):
    payload = pack_members([(n, b'{"name": "x"}') for n in names])
    assert "hardware" in refused(with_payload(payload), NrtStatus.UNSUPPORTED_NEFF_VERSION)


def _first(manifest):
    return manifest["graph"]["nodes"][0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: _first(m)["inputs"][0].update(name="nowhere"), "needs 'nowhere'"),
        (lambda m: _first(m)["inputs"][0].update(name="y"), "cycle"),
        (lambda m: _first(m)["inputs"][0].update(shape=[9, 9]), "another shape"),
        (lambda m: _first(m)["parameters"][0]["spec"].update(shape=[99, 4]), "ends at byte"),
        (lambda m: _first(m)["parameters"][0].update(offset_bytes=-4), "overlaps"),
        (lambda m: _first(m).update(params_bytes=8), "needs|ends at byte"),
        (lambda m: _first(m).update(core=5), "core 5"),
        (lambda m: _first(m)["instructions"].pop(0), "before it is written"),
        (lambda m: _first(m)["instructions"].pop(1), "writes its output"),
        (lambda m: m["graph"]["outputs"][0].update(name="z"), "output 'z'"),
        (lambda m: m["graph"].update(core_count=0), "NeuronCores"),
        (lambda m: m["graph"].update(nodes=[]), "no nodes"),
        (lambda m: m["graph"]["nodes"].append(_first(m)), "two nodes"),
        (lambda m: m["members"].update(extra=1), "extra"),
        (lambda m: m["graph"].update(surprise=1), "malformed"),
    ],
)
def test_a_graph_that_makes_no_sense_is_refused(tiny_neff, change, says):
    import re

    assert re.search(says, refused(repacked(tiny_neff, change)))


def test_a_newer_content_version_is_unsupported(tiny_neff):
    refused(repacked(tiny_neff, lambda m: m.update(format_version=99)), NrtStatus.UNSUPPORTED_NEFF_VERSION)


_names = st.text(min_size=1, max_size=20)
_shapes = st.lists(st.integers(0, 5), max_size=4).map(tuple)


@st.composite
def graphs(draw):
    """Chains of CPU nodes with arbitrary names and shapes."""
    names = draw(st.lists(_names, min_size=2, max_size=6, unique=True))
    specs = [TensorSpec(n, draw(st.sampled_from(DType)), draw(_shapes)) for n in names]
    nodes = tuple(Node(f"n{i}", NodeKind.CPU, (a,), (b,)) for i, (a, b) in enumerate(itertools.pairwise(specs)))
    return Graph(draw(_names), (specs[0],), (specs[-1],), nodes, batch=draw(st.integers(0, 8)))


@given(graphs(), st.binary(max_size=64))
def test_any_graph_survives_the_round_trip(graph, content):
    neff = Neff(graph, {}, {n.name: content for n in graph.nodes})
    again = read_neff(encode_neff(neff), validate_hash=True)
    assert (again.graph, again.cpu_models) == (neff.graph, neff.cpu_models)


@settings(max_examples=300)
@given(st.data())
def test_a_mutated_neff_is_read_or_refused_and_never_anything_else(tiny_data, data):
    raw = bytearray(tiny_data)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_neff(bytes(raw))
    except NeffError as error:
        assert error.status in (NrtStatus.INVALID, NrtStatus.UNSUPPORTED_NEFF_VERSION)


@settings(max_examples=300)
@given(st.data())
def test_a_mutated_manifest_is_read_or_refused_and_never_anything_else(tiny_data, tiny_members, data):
    raw = bytearray(tiny_members[0][1])
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(32, 126))
    try:
        read_neff(with_payload(pack_members([("neff.json", bytes(raw)), *tiny_members[1:]])))
    except NeffError as error:
        assert "\n" not in str(error)


@pytest.fixture(scope="module")
def tiny_data():
    from runtime_core.neff.graph import EngineKind, Instruction

    x, y = TensorSpec("x", DType.FLOAT32, (2, 3)), TensorSpec("y", DType.FLOAT32, (2, 4))
    w = Parameter(TensorSpec("w", DType.FLOAT32, (3, 4)), 0)
    node = Node(
        "sg00",
        NodeKind.NEURON,
        (x,),
        (y,),
        instructions=(Instruction(EngineKind.PE, "matmul", ("x", "w"), ("y",)),),
        parameters=(w,),
        params_bytes=48,
    )
    return encode_neff(Neff(Graph("tiny", (x,), (y,), (node,)), {"sg00": bytes(range(48))}))


@pytest.fixture(scope="module")
def tiny_members(tiny_data):
    return [(n, bytes(c)) for n, c in writer._members(read_neff(tiny_data))]
