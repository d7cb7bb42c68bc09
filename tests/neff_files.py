"""Generated NEFF files, valid and invalid, and checks of refusals."""

import hashlib
import io
import json
import tarfile
import tracemalloc

import pytest

from runtime_core.neff import writer
from runtime_core.neff.header import Header, pack_header
from runtime_core.neff.reader import read_neff
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
    """The NEFF with a changed manifest and a matching hash."""
    manifest = manifest_of(neff)
    change(manifest)
    members = [("neff.json", json.dumps(manifest).encode())]
    members += [(n, bytes(c)) for n, c in writer._members(neff)[1:]]
    return with_payload(pack_members(members))


def peak_bytes(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
