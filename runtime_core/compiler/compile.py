"""The compiler's stations in a row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runtime_core.compiler.options import CompileOptions
from runtime_core.errors import ModelFileError, UsageError
from runtime_core.instance import MAX_CORES
from runtime_core.neff.model import Neff

if TYPE_CHECKING:
    from onnx import ModelProto


def compile_model(source: Path | str | ModelProto, options: CompileOptions | None = None) -> Neff:
    """Compile an ONNX model.

    Args:
        source: an ONNX file, or a model in memory (it is changed).
        options: see :class:`CompileOptions`.

    Raises:
        ModelFileError: the model can't be read or compiled.
        UsageError: an option that makes no sense.
    """
    from runtime_core.compiler.importer import check_onnx, load_onnx

    options = options or CompileOptions()
    if not 1 <= options.pipeline_cores <= MAX_CORES:
        raise UsageError(f"{options.pipeline_cores} pipeline cores: expected 1 to {MAX_CORES}")
    if options.batch is not None and options.batch < 1:
        raise UsageError(f"batch {options.batch}: expected 1 or more")
    if isinstance(source, str | Path):
        path = Path(source)
        return _compile(load_onnx(path), str(path), path.stem, options)
    check_onnx(source, "the model")
    return _compile(source, "the model", source.graph.name or "model", options)


def _compile(model: ModelProto, where: str, name: str, options: CompileOptions) -> Neff:
    from runtime_core.compiler import emit
    from runtime_core.compiler.fuse import fuse
    from runtime_core.compiler.importer import import_model
    from runtime_core.compiler.ir import Op
    from runtime_core.compiler.lower import lower_node
    from runtime_core.compiler.partition import partition
    from runtime_core.neff.graph import EngineKind, Graph, Node, NodeKind

    module, nodes = import_model(model, where, options.batch)
    for node in nodes:
        module.ops += lower_node(module, node)
    fuse(module)
    for output in module.outputs:
        if output in module.constants or output in module.inputs:
            # A model may hand a constant or an input straight out: that is a copy under its name.
            source = module.fresh(f"{output}.source")
            module.specs[source] = module.specs[output]
            if output in module.inputs:
                raise ModelFileError(f"{where}: output {output!r} is an input as it stands: put an Identity between")
            module.constants[source] = module.constants.pop(output)
            module.ops.append(Op(EngineKind.DMA, "copy", [source], [output]))
    runs: list[tuple[NodeKind, int, list[Op]]] = []
    for kind, group in partition(module):
        if kind is NodeKind.NEURON:
            parts = emit.split_over_cores(module, group, options.pipeline_cores, options.fp32_cast, where)
            runs += [(kind, core, part) for core, part in enumerate(parts)]
        else:
            runs.append((kind, 0, group))
    if not runs:
        raise ModelFileError(f"{where}: the model has nothing to compute")
    wanted = emit.outside_uses(module, [run for _, _, run in runs])
    made: list[Node] = []
    params: dict[str, bytes | memoryview] = {}
    cpu_models: dict[str, bytes] = {}
    for index, ((kind, core, run), needed) in enumerate(zip(runs, wanted, strict=True)):
        if kind is NodeKind.NEURON:
            made_node, blob = emit.neuron_node(module, f"sg{index:02d}", run, needed, options.fp32_cast, core, where)
            if blob:
                params[made_node.name] = blob
        else:
            made_node, blob = emit.cpu_node(module, f"cpu{index:02d}", run, needed, model, where)
            cpu_models[made_node.name] = blob
        made.append(made_node)
    inputs = tuple(module.specs[n] for n in module.inputs)
    firsts = {spec.shape[0] for spec in inputs if spec.shape}
    graph = Graph(
        name,
        inputs,
        tuple(module.specs[n] for n in module.outputs),
        tuple(made),
        core_count=max(core for _, core, _ in runs) + 1,
        batch=firsts.pop() if len(firsts) == 1 else 0,
    )
    return Neff(graph, params, cpu_models)
