"""A NEFF for the real chip is distinguished from a damaged one."""

import gzip
import io
import tarfile

import pytest
from neff_files import pack_members, refused, with_payload

from runtime_core.neff.reader import read_neff
from runtime_core.neff.writer import encode_neff
from runtime_core.status import NrtStatus


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


def test_a_flipped_bit_does_not_make_a_neff_one_for_hardware(tiny_neff):
    """The manifest is stored, so that a flipped bit changes one character of it."""
    payload = gzip.compress(gzip.decompress(encode_neff(tiny_neff)[1024:]), 0)
    data = with_payload(payload)
    read_neff(data)
    at = data.index(b'"format"') + 3
    damaged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    assert "does not match its hash: the file is damaged" in refused(damaged)
    renamed = payload.replace(b'"format"', b'"fosmat"')
    assert "hardware" in refused(with_payload(renamed), NrtStatus.UNSUPPORTED_NEFF_VERSION)
