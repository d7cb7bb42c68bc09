"""Convert IFMAPs and OFMAPs between the wire and arrays. Each can be inline bytes or in shared memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from runtime_core.rtd.network import Inference, Network
from runtime_core.rtd.proto import nmgr_pb2
from runtime_core.rtd.shm import SharedMemory
from runtime_core.rtd.signature import Signature, TensorType
from runtime_core.rtd.status import RtdError
from runtime_core.status import Nerr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]


def _bad(message: str) -> RtdError:
    return RtdError(Nerr.INFER_BAD_INPUT, message)


def _shape(spec: TensorType, size_bytes: int, signature: Signature) -> tuple[int, ...]:
    """The shape for a number of bytes: the declared shape, or with a dynamic batch any whole number of samples."""
    if size_bytes == spec.size_bytes:
        return spec.shape
    if signature.dynamic_batch and spec.shape and size_bytes:
        samples, rest = divmod(size_bytes * spec.shape[0], spec.size_bytes)
        if not rest:
            return samples, *spec.shape[1:]
    raise _bad(f"input {spec.name!r} of {signature.name!r} requires {spec.size_bytes} bytes, not {size_bytes}")


def read_ifmaps(signature: Signature, ifmaps: Iterable[nmgr_pb2.infer_io], shm: SharedMemory) -> dict[str, Array]:
    """Return the request's IFMAPs as the arrays that the network declares.

    Raises:
        RtdError: INFER_BAD_INPUT; names a tensor that is missing, unknown, repeated, or of another size.
    """
    specs = signature.inputs
    inputs: dict[str, Array] = {}
    for ifmap in ifmaps:
        name = ifmap.name
        spec = specs.get(name)
        if spec is None:
            raise _bad(f"{signature.name!r} has no input {name[:80]!r}: expected {', '.join(specs)}")
        if name in inputs:
            raise _bad(f"input {name!r} of {signature.name!r} is given twice")
        kind = ifmap.WhichOneof("data")
        if kind == "buf":
            data = ifmap.buf
            inputs[name] = np.ndarray(_shape(spec, len(data), signature), spec.dtype, data)
        elif kind == "buf_shm":
            inputs[name] = np.ndarray(spec.shape, spec.dtype, shm.read(ifmap.buf_shm.path, spec.size_bytes).data)
        else:
            raise _bad(f"input {name!r} of {signature.name!r} has neither buf nor buf_shm")
    if len(inputs) < len(specs):
        raise _bad(f"input {min(specs.keys() - inputs.keys())!r} of {signature.name!r} is missing")
    return inputs


def read_shm_ofmaps(signature: Signature, ofmaps: Iterable[nmgr_pb2.infer_io], shm: SharedMemory) -> dict[str, str]:
    """Return OFMAP -> shared memory object, for the OFMAPs that the request names.

    Raises:
        RtdError: INFER_BAD_INPUT; an OFMAP is unknown or repeated, or its object is not mapped or is too small.
    """
    paths: dict[str, str] = {}
    for ofmap in ofmaps:
        spec = signature.outputs.get(ofmap.name)
        if spec is None:
            names = ", ".join(signature.outputs)
            raise _bad(f"{signature.name!r} has no output {ofmap.name[:80]!r}: expected {names}")
        if ofmap.WhichOneof("data") != "buf_shm":
            raise _bad(f"shm_ofmap {spec.name!r} of {signature.name!r} does not name a shared memory object")
        if spec.name in paths:
            raise _bad(f"shm_ofmap {spec.name!r} of {signature.name!r} is given twice")
        shm.check_writable(ofmap.buf_shm.path, spec.size_bytes)
        paths[spec.name] = ofmap.buf_shm.path
    return paths


def store_ofmaps(outputs: Mapping[str, Array], paths: Mapping[str, str], shm: SharedMemory) -> None:
    """Write the OFMAPs with a shared memory object.

    Raises:
        RtdError: INFER_BAD_INPUT or RESOURCE, if an object has changed meanwhile.
    """
    for name, path in paths.items():
        if name in outputs:
            shm.write(path, np.ascontiguousarray(outputs[name]).reshape(-1).view(np.uint8))


def response(inference: Inference, paths: Mapping[str, str]) -> nmgr_pb2.infer_response:
    """The response to an inference; it names OFMAPs in shared memory by their paths."""
    answer = nmgr_pb2.infer_response()
    error = inference.error
    answer.status.code = Nerr.OK if error is None else error.code.value
    if error is not None:
        answer.status.details = str(error).encode()
    for name, array in inference.outputs.items():
        ofmap = answer.ofmap.add(name=name)
        if name in paths:
            ofmap.buf_shm.path = paths[name]
        else:
            ofmap.buf = array.tobytes()
    return answer


def prepare(
    network: Network, request: nmgr_pb2.infer_request, shm: SharedMemory
) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the inputs of an inference and the targets of its outputs. A refused request counts as bad input.

    Raises:
        RtdError: INFER_BAD_INPUT.
    """
    signature = network.signature
    try:
        inputs = read_ifmaps(signature, request.ifmap, shm)
        return inputs, read_shm_ofmaps(signature, request.shm_ofmap, shm) if request.shm_ofmap else {}
    except RtdError:
        network.count_bad_input()
        raise
