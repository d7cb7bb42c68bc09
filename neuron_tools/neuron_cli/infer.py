"""``neuron-cli infer``: read tensors from files, run inferences, write tensors to files."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neuron_console.units import rounded
from runtime_core.engine.numerics import numpy_dtype
from runtime_core.errors import NeuronError, UsageError
from runtime_core.files import read_regular
from runtime_core.neff.graph import DType
from runtime_core.rtd.client import Client
from runtime_core.rtd.proto import inspection_pb2
from runtime_core.rtd.status import RtdError
from runtime_core.status import Nerr


def _read_tensor(path: Path, info: inspection_pb2.tensor_info) -> bytes:
    """Return the bytes of a tensor; an .npy file must have the shape and type of the network's input.

    The daemon checks the number of samples, because it knows whether the network's batch is dynamic.
    """
    dtype, shape = numpy_dtype(DType(info.dtype)), tuple(info.shape)
    try:
        if path.suffix != ".npy":
            return read_regular(path)
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"cannot read {path}: {error}", where=f"input {info.name!r}") from None
    if array.dtype != dtype or array.ndim != len(shape) or array.shape[1:] != shape[1:]:
        raise UsageError(
            (f"{path} holds {array.dtype.name}{list(array.shape)}, the network requires {info.dtype}{list(shape)}"),
            where=f"input {info.name!r}",
        )
    return np.ascontiguousarray(array).tobytes()


def _parse_inputs(given: Sequence[str], model: inspection_pb2.model_info) -> dict[str, bytes]:
    infos = {info.name: info for info in model.inputs}
    tensors = {}
    for text in given:
        name, found, path = text.partition("=")
        if not found or not path:
            raise UsageError("expected NAME=FILE", where=f"--input {text!r}")
        if name not in infos:
            raise UsageError(f"the inputs of {model.name!r} are {', '.join(infos)}", where=f"--input {text!r}")
        tensors[name] = _read_tensor(Path(path), infos[name])
    missing = infos.keys() - tensors.keys()
    if missing:
        first = infos[min(missing)]
        raise UsageError(
            f"input {first.name!r} is missing",
            mend=f"add --input {first.name}=FILE with {first.dtype}{list(first.shape)}",
        )
    return tensors


def _to_array(data: bytes, info: inspection_pb2.tensor_info) -> NDArray[np.generic]:
    """Return an output as an array; with a dynamic batch it has as many samples as the inputs."""
    values, shape = np.frombuffer(data, numpy_dtype(DType(info.dtype))), tuple(info.shape)
    return values.reshape(shape if values.size == math.prod(shape) else (-1, *shape[1:]))


def _target(directory: Path, name: str) -> Path:
    """Return the file for an output, whose name comes from the NEFF and must not lead out of the directory."""
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in name).lstrip(".") or "output"
    return directory / f"{safe}.npy"


def _facts(name: str, array: NDArray[np.generic]) -> dict[str, object]:
    numbers = array.astype(np.float64)
    facts: dict[str, object] = {"name": name, "dtype": array.dtype.name, "shape": list(array.shape)}
    if numbers.size:
        facts |= {"min": float(numbers.min()), "max": float(numbers.max()), "mean": float(numbers.mean())}
    return facts


def infer(
    address: str | None, network: int, inputs: Sequence[str], output_dir: Path | None, count: int, *, as_json: bool
) -> str:
    """Run ``count`` inferences; return the text to print.

    Raises:
        UsageError: an input is missing or invalid, or ``output_dir`` is not a directory.
        NeuronError: the daemon returned an error status.
    """
    if output_dir is not None and output_dir.exists() and not output_dir.is_dir():
        raise UsageError("is not a directory", where=f"--output-dir {output_dir}")
    with Client(address) as client:
        model = next((m for m in client.models() if m.h_nn.id == network), None)
        if model is None:
            raise RtdError(Nerr.INVALID_HANDLE, f"model {network} is not loaded", mend="see neuron-cli list-model")
        tensors = _parse_inputs(inputs, model)
        seconds = []
        outputs = {}
        for _ in range(count):
            started = time.perf_counter()
            outputs = client.infer(network, tensors)
            seconds.append(time.perf_counter() - started)
    arrays: dict[str, NDArray[np.generic]] = {}
    for info in model.outputs:
        data = outputs[info.name]
        if not isinstance(data, bytes):
            raise NeuronError(f"output {info.name!r} was not returned inline")
        arrays[info.name] = _to_array(data, info)
    files = {}
    if output_dir is not None:
        output_dir.mkdir(parents=True, exist_ok=True)
        for name, array in arrays.items():
            files[name] = _target(output_dir, name)
            np.save(files[name], array, allow_pickle=False)
    facts = [
        {**_facts(name, array), **({"file": str(files[name])} if name in files else {})}
        for name, array in arrays.items()
    ]
    median_ms = statistics.median(seconds) * 1e3
    if as_json:
        return json.dumps({"model_id": network, "inferences": count, "median_ms": rounded(median_ms), "outputs": facts})
    lines = [f"{model.name}: {count} inference(s), median {median_ms:.3f} ms"]
    for fact in facts:
        values = ", ".join(f"{key} {fact[key]:.6g}" for key in ("min", "max", "mean") if key in fact)
        where = f" -> {fact['file']}" if "file" in fact else ""
        lines.append(f"  {fact['name']}: {fact['dtype']}{fact['shape']} {values}{where}")
    return "\n".join(lines)
