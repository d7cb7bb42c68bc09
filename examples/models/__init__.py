"""Reference networks as ONNX models: true layer shapes, seeded random weights."""

from examples.models.catalogue import NETWORKS, ModelOptions, build

__all__ = ["NETWORKS", "ModelOptions", "build"]
