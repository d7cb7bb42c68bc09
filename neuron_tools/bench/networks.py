"""The model to measure: an ONNX file is read once, and compiled once for each requested batch and pipeline."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runtime_core.errors import ModelFileError, UsageError
from runtime_core.files import check_model_file, read_regular
from runtime_core.neff.model import Neff

if TYPE_CHECKING:
    from runtime_core.compiler import ReadModel


class Networks:
    """A model file, compiled to the requested shapes."""

    def __init__(self, path: Path) -> None:
        """Open a NEFF, whose shape is fixed, or an ONNX file.

        Raises:
            UsageError: the file does not exist, or is not a regular file.
        """
        check_model_file(path)
        self.path = path
        self.fixed = path.suffix != ".onnx"
        self._known: dict[tuple[int, int], Neff] = {}
        self._model: ReadModel | None = None

    def fixed_shape(self) -> tuple[int, int]:
        """Return batch and pipeline of a NEFF; a model without a batch counts one sample per execution."""
        graph = self._read().graph
        return max(1, graph.batch), graph.core_count

    def own_batch(self) -> int:
        """Return the batch of an ONNX file; 1 if it is dynamic or the model has none."""
        made = self._compile(None, 1)
        batch = max(1, made.graph.batch)
        self._known[batch, 1] = made
        return batch

    def possible(self, batches: Sequence[int]) -> tuple[int, ...]:
        """Return the batches for which an ONNX file compiles; its own batch if there are none.

        Raises:
            ModelFileError: the model cannot be read or compiled for any batch.
        """
        found = []
        for batch in batches:
            with contextlib.suppress(ModelFileError):
                self.get(batch, 1)
                found.append(batch)
        return tuple(found) or (self.own_batch(),)

    def known(self, batch: int, pipeline: int) -> bool:
        """Return whether the shape is available without compiling."""
        return self.fixed or (batch, pipeline) in self._known

    def get(self, batch: int, pipeline: int) -> Neff:
        """Return the model for ``batch`` samples per execution on at most ``pipeline`` cores, without its parameters.

        Raises:
            ModelFileError: the model cannot be read or compiled.
            UsageError: a NEFF has another shape.
        """
        if self.fixed:
            shape = self.fixed_shape()
            if (batch, pipeline) != shape:
                raise UsageError(
                    f"{self.path} is compiled for batch {shape[0]} on {shape[1]} NeuronCore(s), not "
                    f"for batch {batch} on {pipeline}",
                    mend="give the ONNX file",
                )
            return self._read()
        found = self._known.get((batch, pipeline))
        if found is None:
            found = self._known[batch, pipeline] = self._compile(batch, pipeline)
        return found

    def _compile(self, batch: int | None, pipeline: int) -> Neff:
        from runtime_core.compiler import CompileOptions, compile_for_timing, read_model

        if self._model is None:
            self._model = read_model(self.path)
        return compile_for_timing(self._model, CompileOptions(pipeline_cores=pipeline, batch=batch))

    def _read(self) -> Neff:
        found = self._known.get((0, 0))
        if found is None:
            from runtime_core.neff.reader import named, read_neff

            try:
                with named(self.path):
                    neff = read_neff(read_regular(self.path))
            except OSError as error:
                raise ModelFileError(f"{self.path} cannot be read: {error.strerror}") from None
            found = self._known[0, 0] = Neff(neff.graph, uuid=neff.uuid)
        return found
