"""The optional extras of the distribution: which packages each installs, and what to say where one is missing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from neuron_console import exit_codes

DISTRIBUTION = "neuron-tools-sim"


class Extra(NamedTuple):
    """An extra: top-level modules of the packages that it installs, and what needs it."""

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
"""By name as in ``pip install 'neuron-tools-sim[NAME]'``; a module of several belongs to the first that has it."""


class MissingExtraError(ImportError):
    """A package of an extra is not installed.

    Attributes:
        what: which package, and what needs it.
        where: empty; kept for the shape that all user errors share.
        mend: the command that installs the extra.
        exit_code: of a command that ends by it.
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
    """What to say of a failed import.

    Args:
        error: the failure of an import.
        extra: the extra that the importing code needs; the first that has the module by default.

    Returns:
        ``None`` where the missing module belongs to no extra.
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
    """Imports inside the block need ``extra``.

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
