"""External data is read beside the model, through links in its folder or a model cache, and nowhere else."""

import os

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper  # noqa: E402

from runtime_core.compiler import compile as compile_model  # noqa: E402
from runtime_core.engine.numerics import load_program  # noqa: E402
from runtime_core.errors import ModelFileError  # noqa: E402

WEIGHTS = np.arange(2000, dtype=np.float32)


def save(folder, location="weights.bin", **entries):
    """A model that adds external weights, without the file of weights."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2000], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [2000]) for n in "xy"]
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [tensor])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "m.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())
    return path


def computes(path):
    (y,) = load_program(compile_model(path)).run({"x": np.zeros(2000, np.float32)}).values()
    # Weights are bfloat16 by default.
    return np.allclose(y, WEIGHTS, rtol=1e-2)


def test_a_part_of_a_file_beside_the_model(tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"\0" * 64 + WEIGHTS.tobytes() + b"tail")
    assert computes(save(tmp_path, offset=64, length=8000))


def test_a_link_inside_the_folder_is_followed(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "real.bin").write_bytes(WEIGHTS.tobytes())
    (tmp_path / "weights.bin").symlink_to("data/real.bin")
    assert computes(save(tmp_path))


def test_a_snapshot_of_a_hugging_face_cache(tmp_path):
    repository = tmp_path / "hub" / "models--org--name"
    blobs, snapshot = repository / "blobs", repository / "snapshots" / "0123abc"
    blobs.mkdir(parents=True)
    (blobs / "aaaa").write_bytes(WEIGHTS.tobytes())
    model = save(snapshot / "onnx")
    model.rename(blobs / "bbbb")
    model.symlink_to("../../../blobs/bbbb")
    (snapshot / "onnx" / "weights.bin").symlink_to("../../../blobs/aaaa")
    assert computes(model)


@pytest.mark.parametrize("kind", ["parent", "absolute", "link", "other repository"])
def test_files_elsewhere_are_refused(tmp_path, kind):
    secret = tmp_path / "elsewhere" / "blobs" / "secret.bin"
    secret.parent.mkdir(parents=True)
    secret.write_bytes(WEIGHTS.tobytes())
    folder = tmp_path / "repository" / "snapshots" / "1" if kind == "other repository" else tmp_path / "models"
    location = {"parent": "../elsewhere/blobs/secret.bin", "absolute": str(secret)}.get(kind, "weights.bin")
    path = save(folder, location)
    if location == "weights.bin":
        os.symlink(secret, folder / "weights.bin")
    with pytest.raises(ModelFileError, match="outside the model's folder: copy the file"):
        compile_model(path)


@pytest.mark.parametrize(
    ("entries", "said"),
    [({}, "does not exist"), ({"offset": 4, "length": 8000}, "which has 8000"), ({"offset": "x"}, "not a number"),
     ({"offset": -4}, "which has 8000")],
)  # fmt: skip
def test_data_that_is_not_there_is_named(tmp_path, entries, said):
    path = save(tmp_path, **entries)
    if entries:
        (tmp_path / "weights.bin").write_bytes(WEIGHTS.tobytes())
    with pytest.raises(ModelFileError, match=f"constant 'w'.*{said}"):
        compile_model(path)
