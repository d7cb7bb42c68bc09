"""The header equals the contract, byte for byte."""

import struct

import pytest

from runtime_core.neff.header import HEADER_BYTES, Header, pack_header, unpack_header
from runtime_core.status import NeffError, NrtStatus

HEADER = Header(1, 4096, 1, 2, "neuron-cc 0.1.0", 4, bytes(range(32)), "ab" * 16, "resnet", 4, (1, 3))


def test_every_field_lies_where_the_contract_says():
    raw = pack_header(HEADER)
    assert len(raw) == 1024
    assert struct.unpack_from("<QQQQQ", raw, 0) == (1, 1024, 4096, 1, 2)
    assert raw[40:168] == b"neuron-cc 0.1.0".ljust(128, b"\0")
    assert struct.unpack_from("<I", raw, 168) == (4,)
    assert raw[172:236] == bytes(range(32)).ljust(64, b"\0")
    assert raw[236:268] == b"ab" * 16
    assert raw[268:524] == b"resnet".ljust(256, b"\0")
    assert struct.unpack_from("<I", raw, 524) == (4,)
    assert raw[528:592] == bytes([1, 3]).ljust(64, b"\0")
    assert raw[592:] == bytes(432)


def test_reading_gives_back_what_was_written():
    assert unpack_header(pack_header(HEADER)) == HEADER


def test_a_hash_written_in_hex_is_understood():
    raw = bytearray(pack_header(HEADER))
    raw[172:236] = bytes(range(32)).hex().encode()
    assert unpack_header(bytes(raw)).payload_hash == bytes(range(32))


def test_long_names_are_cut_at_a_character():
    header = unpack_header(pack_header(HEADER._replace(name="é" * 300)))
    assert header.name == "é" * 127


@pytest.mark.parametrize(
    ("offset", "value", "status"),
    [
        (0, 3, NrtStatus.UNSUPPORTED_NEFF_VERSION),
        (0, 0, NrtStatus.UNSUPPORTED_NEFF_VERSION),
        (8, 512, NrtStatus.INVALID),
        (24, 9, NrtStatus.UNSUPPORTED_NEFF_VERSION),
    ],
)
def test_unknown_versions_and_sizes_are_refused(offset, value, status):
    raw = bytearray(pack_header(HEADER))
    struct.pack_into("<Q", raw, offset, value)
    with pytest.raises(NeffError) as caught:
        unpack_header(bytes(raw))
    assert caught.value.status is status


@pytest.mark.parametrize("size", [0, 1, HEADER_BYTES - 1])
def test_a_truncated_header_is_refused(size):
    with pytest.raises(NeffError, match="truncated"):
        unpack_header(pack_header(HEADER)[:size])
