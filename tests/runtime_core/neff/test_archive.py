"""The archive in a NEFF cannot lead outside its folder, or use more memory than it declares."""

import gzip
import json
import tarfile

import pytest
from neff_files import manifest_of, pack_members, peak_bytes, refused, with_payload

from runtime_core.neff import writer
from runtime_core.neff.archive import NeffLimits
from runtime_core.neff.reader import read_neff
from runtime_core.neff.writer import encode_neff


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "nodes/../../evil", "a\\..\\b"])
def test_a_path_that_leads_out_is_refused(tiny_neff, name):
    manifest = json.dumps(manifest_of(tiny_neff)).encode()
    message = refused(with_payload(pack_members([("neff.json", manifest), (name, b"x")])))
    assert "leads out" in message


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(kind):
    assert "refused" in refused(with_payload(pack_members([("neff.json", b"")], kind)))


def bomb(neff, size_bytes, declared_bytes):
    """Megabytes of zeros in a file of a few kilobytes."""
    manifest = manifest_of(neff)
    manifest["members"]["nodes/0/params.bin"] = declared_bytes
    manifest["graph"]["nodes"][0]["params_bytes"] = declared_bytes
    data = with_payload(
        pack_members([("neff.json", json.dumps(manifest).encode()), ("nodes/0/params.bin", bytes(size_bytes))])
    )
    assert len(data) < size_bytes / 100
    return data


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
    assert "expected a number of bytes" in refused(encode_neff(tiny_neff))


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


def test_a_huge_manifest_is_refused_before_it_is_inflated():
    payload = pack_members([("neff.json", bytes(8 << 20))])
    assert "allowed" in refused(with_payload(payload), limits=NeffLimits(manifest_bytes=1 << 20))
