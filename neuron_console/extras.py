"""The optional extras of the distribution: their packages, and the error if a package is missing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from neuron_console import exit_codes

DISTRIBUTION = "neuron-tools-sim"


class Extra(NamedTuple):
    """An extra: the top-level modules of its packages, and the function that needs it."""

    modules: tuple[str, ...]
    purpose: str


EXTRAS = {
    "compiler": Extra(("onnx", "onnxruntime"), "Compiling a model"),
    "rtd": Extra(("grpc", "google", "grpc_health", "grpc_reflection"), "neuron-rtd and its clients"),
    "cloudwatch": Extra(("boto3", "botocore"), "Sending to CloudWatch"),
    "k8s": Extra(("grpc", "google", "kubernetes"), "Neuron on Kubernetes"),
    "web": Extra(("yaml", "bcrypt"), "--web.config.file"),
    "otel": Extra(("opentelemetry",), "--otlp"),
    "scenario": Extra(("yaml", "promql_parser"), "Reading scenarios"),
    "fuse": Extra(("mfusepy",), "neuron-sim mount"),
    "serve": Extra(("textual_serve", "aiohttp", "aiohttp_jinja2", "jinja2"), "neuron-top --serve"),
    "plot": Extra(("matplotlib",), "--plot"),
    "gatherinfo": Extra(("detect_secrets",), "Finding more kinds of secrets in a bundle"),
    "libnrt": Extra(("cffi",), "The C library"),
    "profile": Extra(("google",), "--tensorboard"),
    "dask": Extra(("distributed",), "--engine dask://"),
    "torch": Extra(("torch", "onnxscript", "onnx"), "Compiling a PyTorch model"),
}
"""Name, as in ``pip install 'neuron-tools-sim[NAME]'`` -> extra. A module of several extras belongs to the first."""


class MissingExtraError(ImportError):
    """A package of an extra is not installed.

    Attributes:
        what: the package, and the function that needs it.
        where: always empty; user errors have this attribute.
        mend: the command that installs the extra.
        exit_code: exit code of a command that fails with this error.
    """

    where = ""
    exit_code = exit_codes.FAILURE

    def __init__(self, extra: str, module: str) -> None:
        self.what = f"{EXTRAS[extra].purpose} requires the Python package {module!r}, which is not installed"
        self.mend = f"pip install '{DISTRIBUTION}[{extra}]'"
        super().__init__(f"{self.what}: {self.mend}", name=module)


def _module_of(error: ImportError) -> str:
    return (error.name or "").partition(".")[0]


def missing_extra(error: BaseException | None, extra: str | None = None) -> MissingExtraError | None:
    """Return the error for a failed import.

    Args:
        error: the failure of an import.
        extra: the extra that the importing code needs; default: the first one that has the module.

    Returns:
        ``None`` if the missing module belongs to no extra.
    """
    if isinstance(error, MissingExtraError):
        return error
    if not isinstance(error, ModuleNotFoundError):
        return None
    module = _module_of(error)
    candidates = EXTRAS if extra is None else (extra,)
    found = next((name for name in candidates if module in EXTRAS[name].modules), None)
    return None if found is None else MissingExtraError(found, module)


@contextlib.contextmanager
def requires(extra: str) -> Iterator[None]:
    """Convert failed imports in the block to an error about ``extra``.

    Raises:
        MissingExtraError: one of its packages is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = missing_extra(error, extra)
        if missing is None:
            raise
        raise missing from None
