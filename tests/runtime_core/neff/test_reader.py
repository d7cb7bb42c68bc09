"""A NEFF survives the round trip; a hostile one is refused with its status and one line."""

import dataclasses
import gzip
import hashlib
import io
import itertools
import json
import os
import re
import struct
import tarfile
import tracemalloc

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime_core.neff import writer
from runtime_core.neff.archive import NeffLimits
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec
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


def test_a_folder_a_pipe_and_an_endless_device_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(NeffError, match="can't be read"):
            load_neff(path)


def test_a_file_over_the_limit_is_refused_before_it_is_read(tiny_neff, tmp_path):
    path = tmp_path / "m.neff"
    save_neff(tiny_neff, path)
    os.truncate(path, 64 << 30)

    def load():
        with pytest.raises(NeffError, match="allowed"):
            load_neff(path)

    assert peak_bytes(load) < 8 << 20


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644)])
def test_the_umask_decides_who_may_read_the_file(tiny_neff, tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        save_neff(tiny_neff, tmp_path / "m.neff")
    finally:
        os.umask(before)
    assert (tmp_path / "m.neff").stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("where", ["none/m.neff", "file/m.neff", "folder"])
def test_a_place_that_cannot_be_written_is_one_clear_line_and_leaves_nothing(tiny_neff, tmp_path, where):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(NeffError, match="can't be written") as caught:
        save_neff(tiny_neff, tmp_path / where)
    assert caught.value.status is NrtStatus.FAILURE
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"params": {}}, "needs 48 bytes"),
        ({"params": {"sg00": b"short"}}, "needs 48 bytes"),
        ({"uuid": "é"}, "UUID"),
        ({"packaging_version": 9}, "packaging version 9"),
        ({"neff_version": (1, -1)}, "version 1.-1"),
        ({"neff_version": (3, 0)}, "version 3.0"),
    ],
)
def test_a_neff_that_could_not_be_read_back_is_not_written(tiny_neff, change, says):
    with pytest.raises(NeffError, match=says):
        encode_neff(dataclasses.replace(tiny_neff, **change))


def test_a_name_that_is_no_unicode_is_refused(tiny_neff):
    graph = msgspec.structs.replace(tiny_neff.graph, name="\udcff")
    with pytest.raises(NeffError, match="Unicode"):
        encode_neff(dataclasses.replace(tiny_neff, graph=graph))


def test_a_cpu_node_without_its_model_is_refused():
    a, b = TensorSpec("a", DType.INT8, ()), TensorSpec("b", DType.INT8, ())
    with pytest.raises(NeffError, match="ONNX"):
        encode_neff(Neff(Graph("g", (a,), (b,), (Node("n", NodeKind.CPU, (a,), (b,)),))))


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


def bomb(neff, size_bytes, declared_bytes):
    """Zeros by the megabyte in a file of a few kilobytes."""
    manifest = manifest_of(neff)
    manifest["members"]["nodes/0/params.bin"] = declared_bytes
    manifest["graph"]["nodes"][0]["params_bytes"] = declared_bytes
    data = with_payload(
        pack_members([("neff.json", json.dumps(manifest).encode()), ("nodes/0/params.bin", bytes(size_bytes))])
    )
    assert len(data) < size_bytes / 100
    return data


def peak_bytes(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_bomb_that_its_manifest_does_not_admit_is_refused_before_it_is_inflated(tiny_neff):
    data = bomb(tiny_neff, 64 << 20, 48)
    assert peak_bytes(lambda: refused(data)) < 8 << 20


def test_a_bomb_that_its_manifest_admits_stops_at_the_limit(tiny_neff):
    data = bomb(tiny_neff, 64 << 20, 64 << 20)
    limits = NeffLimits(unpacked_bytes=1 << 20)
    assert peak_bytes(lambda: refused(data, limits=limits)) < 8 << 20
    assert "allowed" in refused(data, limits=limits)


def test_the_environment_lowers_the_limit(tiny_neff, monkeypatch):
    data = bomb(tiny_neff, 4 << 20, 4 << 20)
    monkeypatch.setenv("NEURON_SIM_NEFF_MAX_BYTES", str(5 << 20))
    assert read_neff(data).graph.nodes[0].params_bytes == 4 << 20
    monkeypatch.setenv("NEURON_SIM_NEFF_MAX_BYTES", str(1 << 20))
    assert "NEURON_SIM_NEFF_MAX_BYTES" in refused(data)


@pytest.mark.parametrize("text", ["512M", "-1", "0", "1e9", "9" * 5000])
def test_a_limit_that_is_no_number_of_bytes_is_not_ignored(tiny_neff, monkeypatch, text):
    monkeypatch.setenv("NEURON_SIM_NEFF_MAX_BYTES", text)
    assert "give a number of bytes" in refused(encode_neff(tiny_neff))


def test_a_payload_over_its_limit_is_refused(tiny_neff):
    assert "payload" in refused(encode_neff(tiny_neff), limits=NeffLimits(payload_bytes=64))


def raw_tar(neff, *blocks):
    """The NEFF's manifest as a tar, followed by blocks."""
    content = json.dumps(manifest_of(neff)).encode()
    info = tarfile.TarInfo("neff.json")
    info.size = len(content)
    return b"".join([info.tobuf(tarfile.USTAR_FORMAT), content, bytes(-len(content) % 512), *blocks])


def test_directories_count_as_members(tiny_neff):
    info = tarfile.TarInfo("d")
    info.type = tarfile.DIRTYPE
    payload = gzip.compress(raw_tar(tiny_neff, info.tobuf(tarfile.USTAR_FORMAT) * 200), 1)
    assert "more than 100 members" in refused(with_payload(payload), limits=NeffLimits(members=100))


def test_a_member_that_is_there_twice_is_refused(tiny_neff):
    members = [(n, bytes(c)) for n, c in writer._members(tiny_neff)]
    assert "twice" in refused(with_payload(pack_members([*members, members[1]])))


def test_a_payload_that_goes_on_after_its_archive_is_refused(tiny_neff):
    payload = encode_neff(tiny_neff)[1024:]
    refused(with_payload(payload + b"more"))
    refused(with_payload(gzip.compress(gzip.decompress(payload) + bytes(4 << 20))))


def test_a_tar_padded_to_its_records_is_read(tiny_neff):
    payload = gzip.decompress(encode_neff(tiny_neff)[1024:])
    assert read_neff(with_payload(gzip.compress(payload + bytes(10240)))).graph == tiny_neff.graph


@pytest.mark.parametrize(
    ("offset", "value", "says"),
    [
        (524, struct.pack("<I", 7), "asks for 7 NeuronCores"),
        (168, struct.pack("<I", 0), "efficient"),
        (168, struct.pack("<I", 65), "efficient"),
        (528, b"\x09", "cores of the nodes"),
        (529, b"\x01", "more nodes than"),
        (236, b"\x1b[2J", "UUID"),
    ],
)
def test_a_header_that_tells_of_another_graph_is_refused(tiny_neff, offset, value, says):
    data = bytearray(encode_neff(tiny_neff))
    data[offset : offset + len(value)] = value
    assert says in refused(bytes(data))


def test_a_huge_manifest_is_refused_before_it_is_inflated():
    payload = pack_members([("neff.json", bytes(8 << 20))])
    assert "allowed" in refused(with_payload(payload), limits=NeffLimits(manifest_bytes=1 << 20))


@pytest.mark.parametrize(
    "names",
    [["kelf-0.json", "kelf-0"], ["sg00/def.json"], ["neff.json", "kelf"], ["neff.json"], ["info.json", "kelf-0"]],
)
def test_a_neff_for_hardware_is_recognised(names):
    payload = pack_members([(n, b'{"name": "x"}') for n in names])
    assert "hardware" in refused(with_payload(payload), NrtStatus.UNSUPPORTED_NEFF_VERSION)


def test_a_neff_for_hardware_is_recognised_behind_the_extensions_of_its_tar():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("sg00/def.json")
        info.mtime, info.size = 1.5, 2
        archive.addfile(info, io.BytesIO(b"{}"))
    assert "hardware" in refused(with_payload(buffer.getvalue()), NrtStatus.UNSUPPORTED_NEFF_VERSION)


def test_any_other_archive_is_not_taken_for_one_of_hardware():
    assert "begins with 'hello.txt'" in refused(with_payload(pack_members([("hello.txt", b"hi")])))


# More digits than Python would print.
_HUGE = int("9" * 4300)


def _first(manifest):
    return manifest["graph"]["nodes"][0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: _first(m)["inputs"][0].update(name="nowhere"), "needs 'nowhere'"),
        (lambda m: _first(m)["inputs"][0].update(name="y"), "cycle"),
        (lambda m: _first(m)["inputs"][0].update(shape=[9, 9]), "another shape"),
        (lambda m: _first(m)["parameters"][0]["spec"].update(shape=[99, 4]), "ends at byte"),
        (lambda m: _first(m)["inputs"][0].update(dtype="float16"), "another shape or type"),
        (lambda m: _first(m)["buffers"][0].update(shape=[-1, 4]), "dimension"),
        (lambda m: _first(m)["buffers"][0].update(shape=[_HUGE, 0]), "dimension"),
        (lambda m: _first(m)["buffers"][0].update(shape=[1 << 30, 1 << 30]), "bytes"),
        (lambda m: _first(m)["buffers"][0].update(shape=[1] * 33), "33 dimensions"),
        (lambda m: _first(m)["buffers"].append({"name": "y", "dtype": "int8", "shape": [1]}), "one name for two"),
        (lambda m: _first(m)["parameters"][0].update(offset_bytes=-4), "overlaps"),
        (lambda m: _first(m)["parameters"][0].update(offset_bytes=_HUGE), "offset"),
        (
            lambda m: _first(m)["parameters"].append(
                {"spec": {"name": "v", "dtype": "int8", "shape": [4]}, "offset_bytes": 44}
            ),
            "overlaps",
        ),
        (lambda m: _first(m).update(params_bytes=_HUGE), "bytes of parameters"),
        (lambda m: _first(m)["instructions"][0].update(flops=-1), "FLOPs"),
        (lambda m: _first(m)["instructions"][0].update(flops=_HUGE), "FLOPs"),
        (lambda m: _first(m)["instructions"][0].update(attributes={"axis": _HUGE}), "attribute"),
        (lambda m: _first(m)["instructions"][0].update(outputs=["w"]), "not declared"),
        (lambda m: _first(m).update(core=_HUGE), "on core"),
        (lambda m: _first(m).update(core=-1), "core -1"),
        (lambda m: _first(m).update(kind="cpu"), "CPU node"),
        (lambda m: _first(m).update(name="n" * 10_000, core=5), "malformed"),
        (lambda m: m["graph"].update(core_count=_HUGE), "NeuronCores"),
        (lambda m: m["graph"].update(batch=-1), "batch"),
        (lambda m: m["members"].clear(), "lacks"),
        (lambda m: m["members"].update({"nodes/0/params.bin": _HUGE}), "impossible size"),
        (lambda m: m["members"].update({"nodes/0/params.bin": 47}), "needs 48"),
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
    message = refused(repacked(tiny_neff, change))
    assert re.search(says, message)
    assert len(message) < 400


def test_a_newer_content_version_is_unsupported(tiny_neff):
    refused(repacked(tiny_neff, lambda m: m.update(format_version=99)), NrtStatus.UNSUPPORTED_NEFF_VERSION)


_names = st.text(min_size=1, max_size=20)
_shapes = st.lists(st.integers(0, 5), max_size=4).map(tuple)


@st.composite
def neffs(draw):
    """Chains of CPU and Neuron nodes with arbitrary names, shapes, parameters and cores."""
    names = draw(st.lists(_names, min_size=2, max_size=6, unique=True))
    specs = [TensorSpec(n, draw(st.sampled_from(DType)), draw(_shapes)) for n in names]
    cores = draw(st.integers(1, 64))
    nodes, params, cpu_models = [], {}, {}
    for index, (source, target) in enumerate(itertools.pairwise(specs)):
        name = f"n{index}"
        if draw(st.booleans()):
            cpu_models[name] = draw(st.binary(max_size=64))
            nodes.append(Node(name, NodeKind.CPU, (source,), (target,)))
            continue
        content = draw(st.binary(max_size=64))
        if content:
            params[name] = content
        constant = Parameter(TensorSpec(f"{source.name}{target.name}c", DType.UINT8, (len(content),)), 0)
        instruction = Instruction(
            draw(st.sampled_from(EngineKind)),
            draw(_names),
            (source.name, constant.spec.name, ""),
            (target.name,),
            draw(st.dictionaries(_names, st.integers(-(2**63) + 1, 2**63 - 1) | _names, max_size=3)),
            draw(st.integers(0, 2**63 - 1)),
        )
        nodes.append(
            Node(
                name,
                NodeKind.NEURON,
                (source,),
                (target,),
                draw(st.integers(0, cores - 1)),
                (instruction,),
                (constant,),
                params_bytes=len(content),
            )
        )
    graph = Graph(draw(_names), (specs[0],), (specs[-1],), tuple(nodes), cores, draw(st.integers(0, 8)))
    return Neff(graph, params, cpu_models, packaging_version=draw(st.sampled_from([1, 2])))


@given(neffs())
def test_any_neff_survives_the_round_trip(neff):
    again = read_neff(encode_neff(neff), validate_hash=True)
    assert again.graph == neff.graph
    assert again.params == neff.params
    assert again.cpu_models == neff.cpu_models
    assert again.packaging_version == neff.packaging_version


def test_any_byte_of_the_file_may_be_flipped(tiny_data):
    for at in range(len(tiny_data)):
        data = bytearray(tiny_data)
        data[at] ^= 0xFF
        try:
            read_neff(bytes(data))
        except NeffError as error:
            assert error.status in (NrtStatus.INVALID, NrtStatus.UNSUPPORTED_NEFF_VERSION)


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
