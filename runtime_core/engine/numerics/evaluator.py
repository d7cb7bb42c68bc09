"""Runs ONNX operators on the host: CPU nodes, and what the compiler computes in advance.

ONNX Runtime decides what an operator means: it has the kernels of every operator set. The ``onnx`` package's reference
evaluator mostly knows the newest version of an operator only, so it runs just what ``reference.py`` lists.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from runtime_core.engine.numerics.division import without_traps
from runtime_core.engine.numerics.reference import prefers_reference, runs_in_reference
from runtime_core.engine.numerics.retype import Outside, at_edges, widened_floats, widened_integers
from runtime_core.engine.numerics.split import one_by_one
from runtime_core.engine.numerics.types import Array
from runtime_core.engine.numerics.versions import older_models
from runtime_core.engine.numerics.watchdog import evaluations

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnxruntime import InferenceSession

Values: TypeAlias = Mapping[str, Array]
Evaluate: TypeAlias = Callable[[Sequence[str], Values], list[object]]


class RefusedError(Exception):
    """No evaluator runs this model; the message is the evaluator's own."""


class MissingEvaluatorError(ModuleNotFoundError):
    """The package that would run it is not installed; ``name`` names it."""


class TimedOutError(Exception):
    """The evaluation took longer than it was allowed to."""


class TensorType(NamedTuple):
    """What an evaluator infers of a value: an ONNX element type, and extents (``None``: only known at run time)."""

    elem_type: int
    shape: tuple[int | None, ...]


class Evaluator(Protocol):
    """A model made ready to run."""

    def run(self, names: Sequence[str], feeds: Values, timeout_s: float | None = None) -> list[object]:
        """Values of the outputs ``names`` for the inputs ``feeds``; whatever the evaluator raises passes through."""
        ...


def make_evaluator(model: ModelProto) -> Evaluator:
    """Prepare ``model`` for the evaluator that is right for it.

    Raises:
        MissingEvaluatorError: a package is not installed.
        RefusedError: an operator, or its types, that no evaluator has.
    """
    failures: list[str] = []
    candidates = _candidates(without_traps(model), failures)
    first = next(candidates, None)
    if first is None:
        raise RefusedError(failures[0] if failures else "it has no operators")
    return _Chain(first, candidates)


def _candidates(model: ModelProto, failures: list[str]) -> Iterator[Evaluator]:
    """Evaluators that take the model, the most trusted first; ``failures`` gets the messages of those that do not."""
    if prefers_reference(model):
        yield _Reference(model)
    for variant in _variants(model):
        try:
            yield _Runtime(variant)
        except RefusedError as error:
            failures.append(str(error))
    if runs_in_reference(model):
        yield _Reference(model)
    steps = one_by_one(model)
    if steps:
        try:
            yield _Steps([(step, make_evaluator(step)) for step in steps])
        except RefusedError as error:
            failures.append(str(error))


def _variants(model: ModelProto) -> Iterator[ModelProto]:
    """The model, and others that mean the same, for kernels that ONNX Runtime lacks for some versions and types."""
    for retype in (None, widened_floats, widened_integers):
        retyped = model if retype is None else retype(model)
        if retyped is not None:
            yield retyped
            yield from older_models(retyped)


def output_types(model: ModelProto) -> dict[str, TensorType] | None:
    """Types and shapes of the outputs as far as ONNX Runtime infers them; ``None`` where it refuses the model."""
    try:
        session = onnxruntime_session(model)
    except (RefusedError, MissingEvaluatorError):
        return None
    found = {}
    for output in session.get_outputs():
        elem_type = _ELEM_TYPES.get(output.type)
        # A scalar and an unknown number of dimensions look the same: neither is taken for known.
        if elem_type is not None and output.shape:
            shape = tuple(s if isinstance(s, int) and s >= 0 else None for s in output.shape)
            found[output.name] = TensorType(elem_type, shape)
    return found


_LACKS = re.compile("not support|unsupported|not implemented|type mismatch|not defined for", re.IGNORECASE)
"""How ONNX Runtime's kernels say that they do not have a type or mode which they are registered for."""
_FATAL = 4
_ELEM_TYPES = {
    f"tensor({name})": elem_type
    for name, elem_type in (
        ("float", 1), ("uint8", 2), ("int8", 3), ("uint16", 4), ("int16", 5), ("int32", 6), ("int64", 7), ("string", 8),
        ("bool", 9), ("float16", 10), ("double", 11), ("uint32", 12), ("uint64", 13), ("bfloat16", 16),
    )
}  # fmt: skip


def onnxruntime_session(model: ModelProto, *, rewrite: bool = False) -> InferenceSession:
    """An ONNX Runtime session of one thread.

    Args:
        model: what it computes.
        rewrite: let ONNX Runtime choose other operators and layouts, which sum in another order; by default it
            computes every operator as it stands.

    Raises:
        MissingEvaluatorError: ONNX Runtime is not installed.
        RefusedError: it does not take the model.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingEvaluatorError("onnxruntime is not installed", name="onnxruntime") from error
    # Its kernels print warnings of their own.
    onnxruntime.set_default_logger_severity(_FATAL)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if rewrite else levels.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except MemoryError:
        raise
    except Exception as error:
        # Its kinds of refusal share no class.
        raise RefusedError(plain_message(error)) from None


def plain_message(error: BaseException) -> str:
    """An evaluator's message in one line, without ONNX Runtime's prefix and the paths of its sources."""
    text = " ".join(str(error).split()) or type(error).__name__
    if text.startswith("[ONNXRuntimeError]"):
        text = text.split(" : ", 3)[-1]
    words = [word for word in text.split(" ") if not word.startswith("/onnxruntime_src/")]
    return " ".join(words)


class _Chain:
    """The first evaluator that does not say, at its first run, that it lacks a kernel for the types after all."""

    def __init__(self, first: Evaluator, others: Iterator[Evaluator]) -> None:
        self._current = first
        self._others = others
        self._lock = threading.Lock()

    def run(self, names: Sequence[str], feeds: Values, timeout_s: float | None = None) -> list[object]:
        while True:
            current = self._current
            try:
                return current.run(names, feeds, timeout_s)
            except Exception as error:
                if not _LACKS.search(str(error)) or not self._advance(current):
                    raise

    def _advance(self, failed: Evaluator) -> bool:
        with self._lock:
            if self._current is not failed:
                return True
            following = next(self._others, None)
            if following is not None:
                self._current = following
            return following is not None


class _Runtime:
    """An ONNX Runtime session. NumPy has no bfloat16 there: it goes in and out as FP32, which holds it exactly."""

    def __init__(self, model: ModelProto) -> None:
        self._session = onnxruntime_session(model)
        self._inputs: Mapping[str, str] = {}
        self._outputs: Mapping[str, Outside] = {}
        inputs, outputs = (
            [v.name for v in values if v.type == "tensor(bfloat16)"]
            for values in (self._session.get_inputs(), self._session.get_outputs())
        )
        if inputs or outputs:
            edges = at_edges(model, inputs, outputs)
            self._session, self._inputs, self._outputs = onnxruntime_session(edges.model), edges.inputs, edges.outputs

    def run(self, names: Sequence[str], feeds: Values, timeout_s: float | None = None) -> list[object]:
        given = feeds
        if self._inputs:
            given = {self._inputs.get(n, n): v.astype(np.float32) if n in self._inputs else v for n, v in feeds.items()}
        wanted = [self._outputs[n].name if n in self._outputs else n for n in names]
        values = self._run(wanted, given, timeout_s)
        return [
            np.asarray(v).astype(self._outputs[n].dtype) if n in self._outputs else v
            for n, v in zip(names, values, strict=True)
        ]

    def _run(self, names: list[str], feeds: Values, timeout_s: float | None) -> list[object]:
        if timeout_s is None:
            return list(self._session.run(names, feeds))
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.log_severity_level = _FATAL

        def stop() -> None:
            options.terminate = True

        with evaluations.watching(timeout_s, stop) as watch:
            try:
                return list(self._session.run(names, feeds, options))
            except Exception:
                if watch.expired:
                    raise TimedOutError from None
                raise


class _Reference:
    """The onnx package's reference evaluator."""

    def __init__(self, model: ModelProto) -> None:
        from onnx.reference import ReferenceEvaluator

        try:
            self._evaluator = ReferenceEvaluator(model)
        except Exception as error:
            # It has no class of its own for an operator that it does not know.
            raise RefusedError(plain_message(error)) from None

    def run(self, names: Sequence[str], feeds: Values, timeout_s: float | None = None) -> list[object]:
        # The operators that it may run have no loops: they end.
        del timeout_s
        return list(self._evaluator.run(list(names), dict(feeds)))


class _Steps:
    """Operators that no evaluator takes together, each by its own."""

    def __init__(self, steps: Sequence[tuple[ModelProto, Evaluator]]) -> None:
        self._steps = [
            ([i.name for i in model.graph.input], [o.name for o in model.graph.output], evaluator)
            for model, evaluator in steps
        ]

    def run(self, names: Sequence[str], feeds: Values, timeout_s: float | None = None) -> list[object]:
        known: dict[str, object] = dict(feeds)
        for inputs, outputs, evaluator in self._steps:
            given: Any = {name: known[name] for name in inputs}
            known.update(zip(outputs, evaluator.run(outputs, given, timeout_s), strict=True))
        return [known[name] for name in names]


def arrays(values: Iterable[object]) -> list[Array] | None:
    """Values as arrays; ``None`` where one is a sequence, a map or an optional."""
    found = []
    for value in values:
        if not isinstance(value, np.ndarray | np.generic):
            return None
        found.append(np.asarray(value))
    return found
