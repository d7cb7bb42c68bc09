"""IFMAPs and OFMAPs between the wire and arrays: inline bytes or shared memory, either way independently."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from runtime_core.engine.numerics import numpy_dtype
from runtime_core.neff.graph import Graph
from runtime_core.rtd.network import Inference, Network
from runtime_core.rtd.proto import nmgr_pb2
from runtime_core.rtd.shm import SharedMemory
from runtime_core.rtd.status import RtdError
from runtime_core.status import Nerr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]


def _bad(message: str) -> RtdError:
    return RtdError(Nerr.INFER_BAD_INPUT, message)


def read_ifmaps(graph: Graph, ifmaps: Iterable[nmgr_pb2.infer_io], shm: SharedMemory) -> dict[str, Array]:
    """The request's IFMAPs as the arrays that the network declares.

    Raises:
        RtdError: INFER_BAD_INPUT naming the tensor that is missing, unknown, given twice, or of another size.
    """
    specs = {t.name: t for t in graph.inputs}
    inputs: dict[str, Array] = {}
    for ifmap in ifmaps:
        spec = specs.get(ifmap.name)
        if spec is None:
            raise _bad(f"{graph.name!r} has no input {ifmap.name[:80]!r}: it takes {', '.join(specs)}")
        if spec.name in inputs:
            raise _bad(f"input {spec.name!r} of {graph.name!r} is given twice")
        kind = ifmap.WhichOneof("data")
        if kind == "buf":
            if len(ifmap.buf) != spec.size_bytes:
                raise _bad(
                    f"input {spec.name!r} of {graph.name!r} takes {spec.size_bytes} bytes, {len(ifmap.buf)} were sent"
                )
            raw = np.frombuffer(ifmap.buf, np.uint8)
        elif kind == "buf_shm":
            raw = shm.read(ifmap.buf_shm.path, spec.size_bytes)
        else:
            raise _bad(f"input {spec.name!r} of {graph.name!r} has neither buf nor buf_shm")
        inputs[spec.name] = raw.view(numpy_dtype(spec.dtype)).reshape(spec.shape)
    missing = specs.keys() - inputs.keys()
    if missing:
        raise _bad(f"input {min(missing)!r} of {graph.name!r} is missing")
    return inputs


def read_shm_ofmaps(graph: Graph, ofmaps: Iterable[nmgr_pb2.infer_io], shm: SharedMemory) -> dict[str, str]:
    """OFMAP -> shared memory object that it goes to, for those that the request names.

    Raises:
        RtdError: INFER_BAD_INPUT for one that is unknown, given twice, or whose object is not mapped or too small.
    """
    specs = {t.name: t for t in graph.outputs}
    paths: dict[str, str] = {}
    for ofmap in ofmaps:
        spec = specs.get(ofmap.name)
        if spec is None:
            raise _bad(f"{graph.name!r} has no output {ofmap.name[:80]!r}: it makes {', '.join(specs)}")
        if ofmap.WhichOneof("data") != "buf_shm":
            raise _bad(f"shm_ofmap {spec.name!r} of {graph.name!r} names no shared memory")
        if spec.name in paths:
            raise _bad(f"shm_ofmap {spec.name!r} of {graph.name!r} is given twice")
        shm.check_writable(ofmap.buf_shm.path, spec.size_bytes)
        paths[spec.name] = ofmap.buf_shm.path
    return paths


def _bytes_of(array: Array, graph: Graph, name: str) -> NDArray[np.uint8]:
    spec = next(t for t in graph.outputs if t.name == name)
    typed = np.ascontiguousarray(array, dtype=numpy_dtype(spec.dtype))
    return typed.reshape(-1).view(np.uint8)


def store_ofmaps(graph: Graph, outputs: Mapping[str, Array], paths: Mapping[str, str], shm: SharedMemory) -> None:
    """Write to shared memory the OFMAPs that belong there.

    Raises:
        RtdError: INFER_BAD_INPUT or RESOURCE, when an object is not what it was any more.
    """
    for name, path in paths.items():
        if name in outputs:
            shm.write(path, _bytes_of(outputs[name], graph, name))


def response(graph: Graph, inference: Inference, paths: Mapping[str, str]) -> nmgr_pb2.infer_response:
    """The answer to an inference; OFMAPs in shared memory are named there by their paths."""
    answer = nmgr_pb2.infer_response()
    if inference.error is not None:
        answer.status.code = inference.error.code.value
        answer.status.details = str(inference.error).encode()
    else:
        answer.status.code = Nerr.OK.value
    for spec in graph.outputs:
        array = inference.outputs.get(spec.name)
        if array is None:
            continue
        ofmap = answer.ofmap.add(name=spec.name)
        if spec.name in paths:
            ofmap.buf_shm.path = paths[spec.name]
        else:
            ofmap.buf = _bytes_of(array, graph, spec.name).tobytes()
    return answer


def prepare(
    network: Network, request: nmgr_pb2.infer_request, shm: SharedMemory
) -> tuple[dict[str, Array], dict[str, str]]:
    """Inputs of an inference and where its outputs go; what is refused here is counted as bad input.

    Raises:
        RtdError: INFER_BAD_INPUT.
    """
    graph = network.model.graph
    try:
        return read_ifmaps(graph, request.ifmap, shm), read_shm_ofmaps(graph, request.shm_ofmap, shm)
    except RtdError:
        network.count_bad_input()
        raise
