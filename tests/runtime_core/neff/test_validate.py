"""A NEFF with inconsistent parts is refused with the place."""

import re
import struct

import pytest
from neff_files import refused, repacked

from runtime_core.neff.writer import encode_neff
from runtime_core.status import NrtStatus


@pytest.mark.parametrize(
    ("offset", "value", "says"),
    [
        (524, struct.pack("<I", 7), "requests 7 NeuronCores"),
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


# More digits than Python prints.
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
