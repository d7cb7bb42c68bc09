"""Parameters that a NEFF stores uncompressed are not copied, and equal the bytes from zlib."""

import gzip
import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime_core.engine.numerics import load_program
from runtime_core.neff.content import Content
from runtime_core.neff.graph import DType, Graph, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.inflate import Inflated
from runtime_core.neff.model import Neff
from runtime_core.neff.reader import load_neff, read_neff
from runtime_core.neff.writer import encode_neff, save_neff
from runtime_core.status import NeffError

_NOISE = random.Random(0).randbytes(1 << 18)


def big_neff(dtype: DType = DType.BFLOAT16, size: int = len(_NOISE)) -> Neff:
    x = TensorSpec("x", DType.FLOAT32, (1,))
    weight = Parameter(TensorSpec("w", dtype, (size // (2 if dtype is DType.BFLOAT16 else 4),)), 0)
    node = Node("n", NodeKind.NEURON, (x,), (), parameters=(weight,), params_bytes=size)
    return Neff(Graph("m", (x,), (), (node,)), {"n": _NOISE[:size]})


def test_parameters_are_views_that_compare_and_encode_as_bytes():
    data = encode_neff(big_neff())
    neff = read_neff(data)
    content = neff.params["n"]
    assert isinstance(content, Content)
    assert content == _NOISE
    assert content != _NOISE[:-1]
    assert bytes(content.read(65_530, 12)) == _NOISE[65_530:65_542]
    assert len(content.read(len(_NOISE) - 3, 10)) == 3
    assert encode_neff(neff) == data


def test_bytes_that_may_change_are_copied():
    data = bytearray(encode_neff(big_neff()))
    neff = read_neff(memoryview(data))
    data[:] = bytes(len(data))
    assert neff.params["n"] == _NOISE


@pytest.mark.parametrize("dtype", [DType.BFLOAT16, DType.FLOAT32])
def test_a_program_has_the_same_constants_from_views_and_from_bytes(dtype):
    neff = big_neff(dtype)
    first, second = (
        load_program(n)._nodes[0][1]._constants.values()["w"] for n in (neff, read_neff(encode_neff(neff)))
    )
    assert first.dtype == second.dtype
    assert first.tobytes() == second.tobytes()


def test_a_file_that_changes_after_it_was_read_is_refused(tmp_path):
    path = tmp_path / "m.neff"
    save_neff(big_neff(), path)
    neff = load_neff(path)
    assert neff.params["n"] == _NOISE
    with open(path, "r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"changed")
    with pytest.raises(NeffError, match="changed after it was read"):
        load_program(neff)


@pytest.mark.parametrize("at", [0.3, 0.6, 0.9])
def test_a_damaged_stored_byte_is_refused(at):
    data = bytearray(encode_neff(big_neff()))
    data[int(len(data) * at)] ^= 1
    with pytest.raises(NeffError, match="not valid gzip"):
        read_neff(bytes(data))


def test_tiny_blocks_do_not_take_a_view_each():
    size = 1 << 17
    header = b"\x00\x08\x00\xf7\xff"
    first = zlib.compressobj(1, zlib.DEFLATED, -15)
    body = first.compress(bytes(512)) + first.flush(zlib.Z_FULL_FLUSH)
    body += b"".join(header + _NOISE[i : i + 8] for i in range(0, size, 8)) + b"\x01\x00\x00\xff\xff"
    payload = gzip_of(body, bytes(512) + _NOISE[:size])
    assert gzip.decompress(payload) == bytes(512) + _NOISE[:size]
    stream = Inflated(memoryview(payload), 1 << 20)
    stream.read_exactly(512)
    content = stream.read_content(size)
    assert content == _NOISE[:size]
    assert len(content._pieces) <= size // 4096 + 1


def gzip_of(deflated: bytes, plain: bytes) -> bytes:
    trailer = zlib.crc32(plain).to_bytes(4, "little") + len(plain).to_bytes(4, "little")
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + deflated + trailer


@st.composite
def streams(draw):
    """A deflate stream of parts with different levels and flushes, and the sizes of the reads."""
    rng = random.Random(draw(st.integers(0, 1000)))
    packer, plain, out, level = None, b"", b"", None
    for _ in range(draw(st.integers(1, 5))):
        size = draw(st.sampled_from([0, 1, 512, 70_000, 140_000, 200_000]))
        part = rng.randbytes(size) if draw(st.booleans()) else (plain[-9000:] + b"abc") * (size // 9000 + 1)
        wanted = draw(st.sampled_from([0, 1, 6]))
        if wanted != level:
            if packer is not None:
                out += packer.flush(zlib.Z_FULL_FLUSH)
            packer, level = zlib.compressobj(wanted, zlib.DEFLATED, -15), wanted
        out += packer.compress(part) + packer.flush(draw(st.sampled_from([zlib.Z_NO_FLUSH, zlib.Z_SYNC_FLUSH])))
        plain += part
    out += packer.flush(zlib.Z_FINISH)
    return gzip_of(out, plain), plain, draw(st.lists(st.sampled_from([1, 512, 131_072, 140_000]), max_size=8))


@settings(max_examples=30)
@given(streams())
def test_any_stream_is_read_as_zlib_reads_it(case):
    payload, plain, sizes = case
    assert gzip.decompress(payload) == plain
    stream = Inflated(memoryview(payload), 1 << 24)
    found = b""
    for size in sizes:
        found += stream.read_exactly(size) if size <= 512 else bytes(stream.read_content(size))
    found += stream.read_exactly(1 << 24)
    assert found == plain
    assert stream.leftover_bytes == 0


@settings(max_examples=30)
@given(st.data())
def test_a_damaged_stream_is_refused_or_read_as_zlib_reads_it(data):
    payload = bytearray(encode_neff(big_neff(size=1 << 17))[1024:])
    at = data.draw(st.integers(0, 800) | st.integers(len(payload) - 40, len(payload) - 1) | st.integers(66_000, 67_000))
    payload[at] = data.draw(st.integers(0, 255))
    stream = Inflated(memoryview(bytes(payload)), 1 << 24)
    found = b""
    try:
        while piece := stream.read_exactly(512) + bytes(stream.read_content(1 << 17)):
            found += piece
    except NeffError:
        with pytest.raises((zlib.error, gzip.BadGzipFile, EOFError)):
            gzip.decompress(payload)
        return
    assert found == gzip.decompress(payload)


def test_a_compressed_block_may_repeat_stored_bytes():
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    start, noise = bytes(512), _NOISE[:200_000]
    plain = start + noise + noise[-20_000:]
    deflated = packer.compress(start) + packer.flush(zlib.Z_SYNC_FLUSH)
    stream = Inflated(memoryview(gzip_of(deflated + packer.compress(plain[512:]) + packer.flush(), plain)), 1 << 20)
    assert stream.read_exactly(512) == start
    content = stream.read_content(200_000)
    assert isinstance(content, Content)
    assert len(content._pieces) < 20
    assert bytes(content) + stream.read_exactly(1 << 20) == plain[512:]
