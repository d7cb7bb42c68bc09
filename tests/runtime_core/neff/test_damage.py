"""A damaged NEFF is either read, or refused with a status and one line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neff_files import pack_members, refused, with_payload

from runtime_core.neff import writer
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.neff.reader import hash_matches, read_neff
from runtime_core.neff.writer import encode_neff
from runtime_core.status import NeffError, NrtStatus


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
