"""Run the stages of the compiler."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from runtime_core.compiler.fuse import fuse
from runtime_core.compiler.growth import MEND, holds
from runtime_core.compiler.importer import import_model
from runtime_core.compiler.ir import Module, Op
from runtime_core.compiler.lower import cpu_op, lower_node
from runtime_core.compiler.options import CastType, CompileOptions, Fp32Cast
from runtime_core.compiler.reading import Source, check_model, read_onnx
from runtime_core.compiler.report import CompileReport, CpuOperator, NodeReport, cpu_operators, describe_node
from runtime_core.errors import ModelFileError, UsageError
from runtime_core.instance import MAX_CORES
from runtime_core.neff.graph import EngineKind, TensorSpec
from runtime_core.neff.model import Neff

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    from runtime_core.neff.graph import Graph

_MOST_COMPARED_FLOPS = 10**9
_MOST_COMPARED_WEIGHTS = 10**7


class Compiled(NamedTuple):
    """A NEFF, and the report of its compilation."""

    neff: Neff
    report: CompileReport


class ReadModel(NamedTuple):
    """A model that is read and checked once, to be compiled several times.

    Attributes:
        source: the checked model.
        where: its file or name, for messages.
        name: name of the compiled graph.
    """

    source: Source
    where: str
    name: str


OnStage: TypeAlias = Callable[[str], None]
"""Called with the name of each stage, for a progress display."""


def compile_model(source: Path | str | ModelProto, options: CompileOptions | None = None) -> Neff:
    """Compile an ONNX model; see :func:`compile_with_report`."""
    return compile_with_report(source, options).neff


def compile_with_report(
    source: Path | str | ModelProto, options: CompileOptions | None = None, on_stage: OnStage = lambda _: None
) -> Compiled:
    """Compile an ONNX model.

    Args:
        source: an ONNX file, or a model in memory, which is not changed.
        options: see :class:`CompileOptions`.
        on_stage: is called at the start of each stage.

    Raises:
        ModelFileError: the model cannot be read or compiled.
        UsageError: an option is invalid.
    """
    options = _checked(options)
    on_stage("reading")
    model = read_model(source)
    if not (options.dynamic_batch or _replaces_batch(model, options.batch)):
        return _compile(model, options, on_stage)
    compiled = _compile(_copied(model), options, on_stage)
    on_stage("checking that samples are independent")
    from runtime_core.compiler.samples import check_independent

    @cache
    def at_batch(batch: int) -> Neff:
        return _compile(_copied(model), CompileOptions(batch=batch, fp32_cast=Fp32Cast.NONE), lambda _: None).neff

    if options.dynamic_batch:
        check_independent(at_batch, model.where, "a dynamic batch")
    elif _is_small(compiled.neff.graph) and _compiles_small(at_batch):
        check_independent(at_batch, model.where, f"a batch of {options.batch}", MEND)
    return compiled


def _replaces_batch(model: ReadModel, batch: int | None) -> bool:
    """Whether ``batch`` replaces a fixed first dimension of a light model, and that may be something else."""
    graph = model.source.model.graph
    constants = {tensor.name for tensor in graph.initializer}
    firsts = [v.type.tensor_type.shape.dim[:1] for v in graph.input if v.name not in constants]
    fixed = bool(firsts) and all(dims and dims[0].HasField("dim_value") for dims in firsts)
    light = sum(math.prod(tensor.dims) for tensor in graph.initializer) <= _MOST_COMPARED_WEIGHTS
    return batch is not None and fixed and light and firsts[0][0].dim_value != batch


def _compiles_small(at_batch: Callable[[int], Neff]) -> bool:
    try:
        return all(_is_small(at_batch(batch).graph) for batch in (2, 3))
    except ModelFileError:
        # It only works with other batches, among them the requested one.
        return False


def _is_small(graph: Graph) -> bool:
    """Whether the samples of a graph can be compared by execution in about a second."""
    batch = graph.batch
    divided = batch > 1 and all(t.shape[:1] == (batch,) and not t.at_most for t in (*graph.inputs, *graph.outputs))
    return divided and sum(node.flops for node in graph.nodes) <= _MOST_COMPARED_FLOPS * batch


def read_model(source: Path | str | ModelProto) -> ReadModel:
    """Read and check an ONNX file or model for :func:`compile_for_timing`.

    Raises:
        ModelFileError: the model cannot be read.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        return ReadModel(read_onnx(path), str(path), path.stem)
    return ReadModel(check_model(source, "the model"), "the model", source.graph.name or "model")


def compile_for_timing(model: ReadModel, options: CompileOptions | None = None) -> Neff:
    """Compile a model without its parameters: the NEFF takes the same time, but computes nothing.

    ``model`` is not changed. The graph is the same as that of :func:`compile_model`.

    Raises:
        ModelFileError: the model cannot be compiled.
        UsageError: an invalid option.
    """
    return _compile(_copied(model), _checked(options), lambda _: None, parameters=False).neff


def _copied(model: ReadModel) -> ReadModel:
    """Return a model that a compilation may change."""
    own = type(model.source.model)()
    own.CopyFrom(model.source.model)
    return model._replace(source=model.source._replace(model=own))


def _checked(options: CompileOptions | None) -> CompileOptions:
    options = options or CompileOptions()
    if not 1 <= options.pipeline_cores <= MAX_CORES:
        raise UsageError(f"{options.pipeline_cores} pipeline cores: expected 1 to {MAX_CORES}")
    if options.cast_type is not CastType.BF16 and options.fp32_cast is Fp32Cast.NONE:
        raise UsageError(f"cast type {options.cast_type.value} with an fp32 cast of none: nothing would be cast")
    if options.batch is not None and options.batch < 1:
        raise UsageError(f"batch {options.batch}: expected 1 or more")
    return options


def _compile(model: ReadModel, options: CompileOptions, on_stage: OnStage, *, parameters: bool = True) -> Compiled:
    from runtime_core.compiler.emit import UnknownSpecError

    where = model.where
    try:
        on_stage("folding constants and inferring shapes")
        module, nodes, proto = import_model(model.source, where, options.batch)

        def build(module: Module) -> Compiled:
            return _build(module, proto, model, options, on_stage, parameters=parameters)

        on_stage("lowering operators")
        try:
            return build(_lowered(module, nodes))
        except UnknownSpecError:
            # Shapes of values between nodes must be known when compiling; a single CPU node has no such values.
            module.ops = [cpu_op(node, "shapes between its operators are only known at run time") for node in nodes]
            return build(module)
    except UnicodeDecodeError:
        raise ModelFileError(f"{where} is malformed: a name or text in it is not UTF-8") from None


def _lowered(module: Module, nodes: list[NodeProto]) -> Module:
    """Lower the nodes and return the module. Constants and specs that this adds do not affect a second attempt."""
    module.ops = [op for node in nodes for op in lower_node(module, node)]
    fuse(module)
    return module


def _build(
    module: Module, proto: ModelProto, model: ReadModel, options: CompileOptions, on_stage: OnStage, *, parameters: bool
) -> Compiled:
    from runtime_core.compiler import emit
    from runtime_core.compiler.placement import place
    from runtime_core.neff.graph import Graph, Node, NodeKind

    where = model.where
    _name_outputs(module)
    on_stage("placing on cores")
    runs = place(module, options.pipeline_cores, options.precision, where)
    if not runs:
        raise ModelFileError("the model has nothing to compute", where=where)
    wanted = emit.outside_uses(module, [run for _, _, run in runs])
    made: list[Node] = []
    reports: list[NodeReport] = []
    on_cpu: list[CpuOperator] = []
    params: dict[str, bytes | memoryview] = {}
    cpu_models: dict[str, bytes] = {}
    for index, ((kind, core, run), needed) in enumerate(zip(runs, wanted, strict=True)):
        on_stage(f"writing node {index + 1} of {len(runs)}")
        if kind is NodeKind.NEURON:
            node = emit.describe_node(module, f"sg{index:02d}", run, needed, options.precision, core, where)
            if parameters and node.params_bytes:
                params[node.name] = emit.parameter_bytes(module, node)
        else:
            node, submodel = emit.cpu_node(module, f"cpu{index:02d}", run, needed, proto, where)
            cpu_models[node.name] = submodel
            on_cpu += cpu_operators(node.name, run)
        made.append(node)
        reports.append(describe_node(module, node.name, kind, core, run))
    inputs = tuple(module.specs[n] for n in module.inputs)
    outputs = tuple(emit.spec_of(module, n, where) for n in module.outputs)
    firsts = {spec.shape[0] for spec in inputs if spec.shape}
    batch = firsts.pop() if len(firsts) == 1 else 0
    if not holds(module, batch):
        batch = 0
    if options.dynamic_batch:
        _check_batch_first((*inputs, *outputs), batch, where)
    core_count = max(core for _, core, _ in runs) + 1
    graph = Graph(model.name, inputs, outputs, tuple(made), core_count, batch, options.dynamic_batch)
    return Compiled(Neff(graph, params, cpu_models), CompileReport(reports, on_cpu, list(module.notes)))


def _check_batch_first(specs: tuple[TensorSpec, ...], batch: int, where: str) -> None:
    """Check that inputs can be split and outputs joined along their first dimension, for a dynamic batch."""
    for spec in specs:
        if not batch or not spec.shape or spec.shape[0] != batch:
            raise ModelFileError(
                f"tensor {spec.name!r} has the shape {list(spec.shape)}: a dynamic batch requires the "
                "batch as the first dimension of every input and output",
                where=where,
            )


def _name_outputs(module: Module) -> None:
    """Add a copy for each output that is a constant. An output that is an input needs no copy.

    Instructions read the source of the copy, because a node cannot read and write the same name. A CPU node reads the
    constant by its own name, because bodies contain that name.
    """
    if not module.ops and module.outputs and set(module.outputs) <= set(module.inputs):
        # A NEFF has at least one node.
        spec = module.specs[module.outputs[0]]
        copy = module.add_value(f"{spec.name}.copy", spec.dtype, spec.shape)
        module.ops.append(Op(EngineKind.DMA, "copy", [spec.name], [copy]))
    sources: dict[str, str] = {}
    for output in dict.fromkeys(module.outputs):
        if output in module.constants:
            sources[output] = source = module.fresh(f"{output}.source")
            module.constants[source] = module.constants[output]
            if output in module.specs:
                module.specs[source] = module.specs[output]
    for op in module.ops:
        if op.node is None:
            op.inputs = [sources.get(name, name) for name in op.inputs]
    module.ops += [Op(EngineKind.DMA, "copy", [source], [output]) for output, source in sources.items()]
