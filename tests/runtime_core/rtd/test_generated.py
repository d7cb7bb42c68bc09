"""The generated modules are those of the proto files beside them."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

pytest.importorskip("grpc_tools")

ROOT = Path(__file__).parents[3]
PROTOS = sorted((ROOT / "runtime_core/rtd/proto").glob("*.proto"))


def test_make_proto_would_change_nothing(tmp_path):
    target = tmp_path / "set"
    names = [str(p.relative_to(ROOT)) for p in PROTOS]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", f"--descriptor_set_out={target}", *names]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)
    compiled = descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes())
    assert len(compiled.file) == len(PROTOS) > 0
    for file in compiled.file:
        for message in file.message_type:
            for field in message.field:
                # Derived from the name; modules omit it.
                field.ClearField("json_name")
        module = import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
        checked_in = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(checked_in)
        assert checked_in == file, f"{file.name}: run make proto"
