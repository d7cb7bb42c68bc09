"""ResNet-50, quantised by ``onnxruntime.quantization`` with its defaults, compared with ONNX Runtime: top-1 and FLOPs.

All weights of the light ResNet-50 in the onnx package are equal, so its output does not depend on the input. Here it
gets random weights, and a last layer that is fitted to classify patterns, so that top-1 depends on the input.

Random weights amplify the least difference in rounding from layer to layer: top-1 of the whole network says little
about a compiler. So each layer is compared by itself too, on the same integers, and with exact arithmetic.
``python -m benchmarks quantised``; ``INPUTS`` in the environment sets the number of inputs (100), and ``EXACT`` how
many of them exact arithmetic classifies too (0; each takes about 2 seconds).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from benchmarks.exact import evaluate
from benchmarks.harness import Figure, report
from benchmarks.layers import by_layer, unoptimised
from benchmarks.networks import path_of, session
from runtime_core.compiler import CompileOptions, Fp32Cast, compile_with_report
from runtime_core.engine.numerics import load_program

_INPUT, _SIZE, _CLASSES = "gpu_0/data_0", 224, 1000
_PATTERNS = 40
"""Classes of inputs, each with a smooth random image."""
_RIDGE, _SHARPNESS = 1.0, 60.0

_Image = NDArray[np.float32]


class Patterns:
    """Random images of known classes: the smooth pattern of the class, another pattern, and noise."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        grids = np.random.default_rng(0).standard_normal((_PATTERNS, 3, 6, 6))
        self._patterns = [_enlarged(grid) for grid in grids]

    def draw(self, label: int) -> _Image:
        """Return an image of a class, [1, 3, 224, 224]."""
        random = self._random
        other = _enlarged(random.standard_normal((3, 6, 6)))
        image = self._patterns[label] + other * random.uniform(0.2, 1.0) + random.standard_normal((3, 1, 1)) * 0.3
        noise = random.standard_normal((3, _SIZE, _SIZE)) * random.uniform(0.0, 0.5)
        return (image + noise)[None].astype(np.float32)


def _enlarged(grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Resize a [3, n, n] grid to a [3, 224, 224] image, bilinearly."""
    at = np.linspace(0, grid.shape[-1] - 1, _SIZE)
    low = np.minimum(at.astype(int), grid.shape[-1] - 2)
    share = at - low
    rows = grid[:, low] * (1 - share)[:, None] + grid[:, low + 1] * share[:, None]
    image: NDArray[np.float64] = rows[:, :, low] * (1 - share) + rows[:, :, low + 1] * share
    return image


def network(folder: Path) -> Path:
    """Write the light ResNet-50 with random weights and a fitted last layer."""
    model = onnx.load(path_of("resnet50"))
    graph = model.graph
    sizes = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "ConstantOfShape"}
    nodes = [n for n in graph.node if n.op_type != "ConstantOfShape"]
    held = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    shapes = {name: tuple(held[size]) for name, size in sizes.items()}
    shapes.update((name, value.shape) for name, value in held.items())
    used = {name for node in nodes for name in node.input}
    constants = _random_weights(nodes, {n: s for n, s in shapes.items() if n in used}, held)
    (last,) = (n for n in nodes if n.op_type == "Gemm")
    del graph.node[:], graph.input[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.input.append(helper.make_tensor_value_info(_INPUT, 1, [1, 3, _SIZE, _SIZE]))
    model.ir_version = 8
    features = type(model)()
    features.CopyFrom(model)
    features.graph.output.append(helper.make_value_info(last.input[0], onnx.TypeProto()))
    target = folder / "resnet50.onnx"
    onnx.save(_with(features, constants), target)
    weight, bias = _fitted(target, last.input[0])
    onnx.save(_with(model, {**constants, last.input[1]: weight, last.input[2]: bias}), target)
    return target


def _with(model: onnx.ModelProto, constants: dict[str, NDArray[Any]]) -> onnx.ModelProto:
    del model.graph.initializer[:]
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    return model


def _random_weights(
    nodes: list[onnx.NodeProto], shapes: dict[str, tuple[int, ...]], held: dict[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Use He's initialisation. The branches of a block are damped, so that the range of values stays constant."""
    random = np.random.default_rng(0)
    constants = {n: held[n] if n in held else np.zeros(s, np.float32) for n, s in shapes.items()}
    summed = {name for node in nodes if node.op_type == "Sum" for name in node.input}
    for node in nodes:
        if node.op_type in ("Conv", "Gemm"):
            shape = shapes[node.input[1]]
            weight = random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
            constants[node.input[1]] = weight.astype(np.float32)
        elif node.op_type == "BatchNormalization":
            scale, shift, mean, variance = node.input[1:]
            count = shapes[scale]
            damping = 0.5 if node.output[0] in summed else 1.0
            constants[scale] = (random.uniform(0.5, 1.5, count) * damping).astype(np.float32)
            constants[shift] = (random.standard_normal(count) * 0.3).astype(np.float32)
            constants[mean], constants[variance] = np.zeros(count, np.float32), np.ones(count, np.float32)
    return constants


def _fitted(path: Path, features: str) -> tuple[_Image, _Image]:
    """Return weight and bias of the last layer, by ridge regression on the features of images."""
    patterns, peer = Patterns(1), session(path)
    labels = [label for label in range(_PATTERNS) for _ in range(3)]
    rows = np.concatenate([peer.run([features], {_INPUT: patterns.draw(label)})[0] for label in labels])
    mean = rows.mean(0)
    centred = ((rows - mean) / rows.std()).astype(np.float64)
    wanted = np.eye(_CLASSES)[labels] - 1 / _PATTERNS
    dual = np.linalg.solve(centred @ centred.T + _RIDGE * np.eye(len(labels)), wanted)
    weight = (_SHARPNESS * centred.T @ dual).T / rows.std()
    return weight.astype(np.float32), (-weight @ mean).astype(np.float32)


class _Calibration:
    """The calibration data for ``quantize_static``."""

    def __init__(self) -> None:
        patterns = Patterns(2)
        self._left: Iterator[dict[str, _Image]] = ({_INPUT: patterns.draw(n % _PATTERNS)} for n in range(12))

    def get_next(self) -> dict[str, _Image] | None:
        """Return the next sample."""
        return next(self._left, None)


def main() -> None:
    """Quantise in both formats, and compare with ONNX Runtime."""
    from onnxruntime.quantization import QuantFormat, quantize_static

    count = int(os.environ.get("INPUTS", "100"))
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        source = network(Path(folder))
        patterns = Patterns(3)
        labels = [n % _PATTERNS for n in range(count)]
        images = [patterns.draw(label) for label in labels]
        whole = [int(np.argmax(out)) for out in _by_runtime(source, images)]
        right = sum(a == b for a, b in zip(whole, labels, strict=True))
        figures.append(Figure("inputs that the network in FP32 classifies rightly", 100 * right / count, "%"))
        for kind in QuantFormat:
            target = Path(folder, f"{kind.name}.onnx")
            quantize_static(source, target, _Calibration(), quant_format=kind)
            figures += _compared(kind.name, target, images)
    report("quantised", figures)


def _tops(run: Callable[[_Image], NDArray[Any]], images: list[_Image]) -> list[int]:
    return [int(np.argmax(run(image))) for image in images]


def _by(peer: onnxruntime.InferenceSession) -> Callable[[_Image], NDArray[Any]]:
    return lambda image: np.asarray(peer.run(None, {_INPUT: image})[0])


def _by_runtime(path: Path, images: list[_Image]) -> list[NDArray[Any]]:
    return [_by(session(path))(image) for image in images]


def _agreement(name: str, tops: list[int], others: list[int], note: str = "") -> Figure:
    same = sum(a == b for a, b in zip(tops, others, strict=True))
    return Figure(name, 100 * same / len(tops), "%", note=note)


def _compared(name: str, path: Path, images: list[_Image]) -> list[Figure]:
    wanted = _by_runtime(path, images)
    tops = [int(np.argmax(w)) for w in wanted]
    figures = _controls(name, path, images, tops)
    for cast in (Fp32Cast.ALL, Fp32Cast.NONE):
        compiled = compile_with_report(path, CompileOptions(fp32_cast=cast))
        program = load_program(compiled.neff)
        found = [next(iter(program.run({_INPUT: image}).values())) for image in images]
        largest = max(float(np.max(np.abs(f - w))) for f, w in zip(found, wanted, strict=True))
        note = f"{len(set(tops))} classes; probabilities differ by {largest:.3f} at most"
        label = "cast to bfloat16 (default)" if cast is Fp32Cast.ALL else "FP32"
        ours = [int(np.argmax(f)) for f in found]
        figures.append(_agreement(f"{name}, {label}: top-1 as ONNX Runtime", tops, ours, note))
        if cast is Fp32Cast.ALL:
            ratio = compiled.report.neuron_flop_ratio
            others = sorted({o.operator for o in compiled.report.cpu_operators})
            share = 100 * (0.0 if ratio is None else ratio)
            note = f"on CPU nodes: {', '.join(others) or 'none'}"
            figures.append(Figure(f"{name}: FLOPs on NeuronCores", share, "%", note=note))
    return figures + _by_layer(name, path, images[0])


def _controls(name: str, path: Path, images: list[_Image], tops: list[int]) -> list[Figure]:
    """How far top-1 of ONNX Runtime and of exact arithmetic agree: the network amplifies every difference."""
    model = onnx.load(path)
    again = _tops(_by(unoptimised(model)), images)
    moved = _tops(_by(session(path)), [_moved(model, image, index) for index, image in enumerate(images)])
    figures = [
        _agreement(f"{name}, ONNX Runtime without its graph optimisations: top-1 as with them", tops, again),
        _agreement(f"{name}, ONNX Runtime with 1 byte of the input moved by 1: top-1 as before", tops, moved),
    ]
    if count := int(os.environ.get("EXACT", "0")):
        held = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        output = model.graph.output[0].name
        exact = _tops(lambda image: evaluate(model.graph.node, {**held, _INPUT: image})[output], images[:count])
        figures.append(_agreement(f"{name}, exact arithmetic: top-1 as ONNX Runtime", tops[: len(exact)], exact))
    return figures


def _moved(model: onnx.ModelProto, image: _Image, seed: int) -> _Image:
    """An input of which one element is quantised to a step less, or more if it is negative."""
    held = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    (node,) = (n for n in model.graph.node if n.op_type == "QuantizeLinear" and n.input[0] == _INPUT)
    moved = image.copy()
    place = np.random.default_rng(seed).integers(moved.size)
    moved.reshape(-1)[place] -= np.copysign(held[node.input[1]], moved.reshape(-1)[place])
    return moved


def _by_layer(name: str, path: Path, image: _Image) -> list[Figure]:
    return [
        Figure(
            f"{name}, FP32, each layer by itself: integers that differ between {one} and {other}",
            found.per_million,
            "per million",
            note=f"by {found.most_steps} at most",
        )
        for (one, other), found in by_layer(path, image).items()
    ]
