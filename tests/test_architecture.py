"""The layers: data flows in one direction."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
VIEWERS = ("neuron_ls", "neuron_top", "neuron_monitor")
# From the lowest layer up; packages of one layer may import each other in one direction.
FLOORS = ({"runtime_core"}, {"neuron_console"}, {*VIEWERS, "dashboards"}, {"neuron_tools"})
PACKAGES = tuple(package for floor in FLOORS for package in sorted(floor))
FLOOR_OF = {package: number for number, floor in enumerate(FLOORS) for package in floor}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path):
    """Yield each name that a file imports, also within functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def import_graph():
    """Module -> modules of ours that it imports; a package represents its ``__init__``."""
    files = {module_name(path): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    return {module: {name for name in imports(path) if name in files} - {module} for module, path in files.items()}


def circles(graph):
    """Groups of two or more nodes that can reach each other (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in graph[node]:
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            members = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(members) > 1:
                found.append(sorted(members))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def package_arrows(graph):
    """The packages that each package imports."""
    arrows = {package: set() for package in PACKAGES}
    for module, targets in graph.items():
        package = module.partition(".")[0]
        arrows[package] |= {target.partition(".")[0] for target in targets} - {package}
    return arrows


def test_arrows_between_packages_run_downwards_and_in_no_circle():
    arrows = package_arrows(import_graph())
    for package, targets in arrows.items():
        print(f"{package} -> {', '.join(sorted(targets)) or '-'}")
        upward = {target for target in targets if FLOOR_OF[target] > FLOOR_OF[package]}
        assert not upward, f"{package} imports what stands above it"
    assert circles(arrows) == []


def test_no_files_import_each_other_in_a_circle():
    graph = import_graph()
    # A package's __init__ imports its modules, and they must not import it.
    inside = {
        module: {target for target in targets if not module.startswith(f"{target}.")}
        for module, targets in graph.items()
    }
    assert circles(inside) == []


def test_a_circle_and_an_upward_arrow_would_be_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert FLOOR_OF["neuron_tools"] > FLOOR_OF["neuron_ls"] > FLOOR_OF["neuron_console"] > FLOOR_OF["runtime_core"]


@pytest.mark.parametrize("viewer", VIEWERS)
def test_viewers_read_telemetry_and_nothing_else_of_the_machine(viewer):
    for path in (ROOT / viewer).rglob("*.py"):
        for name in imports(path):
            if name.startswith("runtime_core."):
                assert name.startswith(("runtime_core.telemetry", "runtime_core.__version__")), f"{path} imports {name}"


def test_the_ground_for_commands_imports_none_of_ours():
    for path in (ROOT / "neuron_console").rglob("*.py"):
        for name in imports(path):
            assert name.partition(".")[0] not in set(PACKAGES) - {"neuron_console"}, f"{path} imports {name}"


def test_the_machine_knows_no_screen_and_no_command_line():
    for path in (ROOT / "runtime_core").rglob("*.py"):
        for name in imports(path):
            top = name.partition(".")[0]
            assert top not in {"typer", "rich", "textual", *PACKAGES} - {"runtime_core"}, f"{path} imports {name}"


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_is_unpickled_and_no_shell_is_used(package):
    for path in (ROOT / package).rglob("*.py"):
        assert not {"pickle", "marshal", "shelve", "dill"} & set(imports(path)), path
        assert "shell=True" not in path.read_text(), path


def string_splits(source):
    """Lines that split a text at ``": "``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            splits = node.func.attr in ("partition", "rpartition", "split", "rsplit")
            if splits and any(isinstance(a, ast.Constant) and a.value == ": " for a in node.args):
                yield node.lineno


@pytest.mark.parametrize("package", PACKAGES)
def test_no_error_is_taken_apart_again(package):
    """An error has fields: what, where, mend."""
    for path in (ROOT / package).rglob("*.py"):
        assert not list(string_splits(path.read_text())), path
    assert list(string_splits('what, _, mend = str(error).partition(": ")')) == [1]


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("runtime_core.telemetry.simulated.source", ("numpy", "msgspec", "psutil", "tempfile", "shutil", "random")),
        ("neuron_ls.listing", ("numpy", "rich", "textual", "psutil", "msgspec", "grpc", "onnx")),
        ("neuron_monitor.stream", ("numpy", "rich", "textual", "onnx", "prometheus_client")),
        ("neuron_top.cli", ("numpy", "textual", "onnx")),
    ],
)
def test_start_pays_for_no_heavy_module(module, heavy):
    code = f"import sys, {module}; print(*[m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
