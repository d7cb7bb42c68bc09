"""A NEFF that is written and read is unchanged; one that could not be read is not written."""

import dataclasses
import gzip
import io
import itertools
import tarfile

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.neff.reader import read_neff
from runtime_core.neff.writer import encode_neff
from runtime_core.status import NeffError


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


def test_a_name_that_is_no_unicode_is_refused(tiny_neff):
    graph = msgspec.structs.replace(tiny_neff.graph, name="\udcff")
    with pytest.raises(NeffError, match="Unicode"):
        encode_neff(dataclasses.replace(tiny_neff, graph=graph))


def test_a_cpu_node_without_its_model_is_refused():
    a, b = TensorSpec("a", DType.INT8, ()), TensorSpec("b", DType.INT8, ())
    with pytest.raises(NeffError, match="ONNX"):
        encode_neff(Neff(Graph("g", (a,), (b,), (Node("n", NodeKind.CPU, (a,), (b,)),))))


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
