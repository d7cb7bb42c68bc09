"""Generate the C code of the exported functions: each enters the library, calls the Python function, and leaves."""

from __future__ import annotations

from runtime_core.libnrt.declarations import HEADERS, STATUS, Declarations, Function, Parameter

MODULE = "_neuron_libnrt"
READY = "libnrt_ready"
"""Python function that returns 1 if every function is attached."""

_FROM_C = """
extern char **environ;
long libnrt_inside(void);
void libnrt_set_closing(int closing);
void libnrt_set_callback(int in_callback);
"""
"""The C declarations used by Python: the environment, and start.h."""

_STATUS_TEXT = "nrt_get_status_as_str"
_CLOSE = "nrt_close"
_INIT = "nrt_init"


def _is_handle(parameter: Parameter, handles: frozenset[str]) -> int:
    """Return the number of stars after the type of a handle; 0 if the parameter is not a handle."""
    base = parameter.type.replace("const ", "").rstrip("* ")
    return parameter.type.count("*") if base in handles else 0


def _python_type(parameter: Parameter, handles: frozenset[str]) -> str:
    """Return the Python-side type: handles are passed as numbers, which Python looks up and never dereferences."""
    stars = _is_handle(parameter, handles)
    return {0: parameter.type, 1: "uintptr_t", 2: "uintptr_t *"}[stars]


def _python_result(function: Function) -> str:
    """Return the Python-side result type: statuses and addresses are plain numbers in Python."""
    if function.result == STATUS:
        return "int"
    return "uintptr_t" if "*" in function.result else function.result


def python_functions(declarations: Declarations) -> tuple[Function, ...]:
    """Return the functions that are implemented in Python."""
    return tuple(f for f in declarations.functions if f.name != _STATUS_TEXT)


def _signature(result: str, name: str, parameters: list[str]) -> str:
    return f"{result} {name}({', '.join(parameters) or 'void'})"


def _python_signature(function: Function, handles: frozenset[str]) -> str:
    parameters = [f"{_python_type(p, handles)} {p.name}" for p in function.parameters]
    return _signature(_python_result(function), f"py_{function.name}", parameters)


def cffi_declarations(declarations: Declarations) -> str:
    """Return the declarations for cffi: the types, and the functions that C calls in Python."""
    calls = "".join(f"{_python_signature(f, declarations.handles)};\n" for f in python_functions(declarations))
    return f'{declarations.types}\n{_FROM_C}extern "Python+C" {{\nint {READY}(void);\n{calls}}}\n'


def preamble() -> str:
    """Return the includes of every generated C file."""
    return '#include <unistd.h>\n#include "start.h"\n' + "".join(f'#include "{name}"\n' for name in HEADERS)


def exported_functions(declarations: Declarations) -> str:
    """Return the C file with the library's functions."""
    parts = [preamble(), _status_text(declarations)]
    for function in python_functions(declarations):
        parts.append(f"extern {_python_signature(function, declarations.handles)};\n")
        parts.append(_exported(function, declarations.handles))
    return "\n".join(parts)


def _status_text(declarations: Declarations) -> str:
    """Return C code that needs no Python, so that a program can print the status of a library that did not start."""
    cases = "".join(f'    case {name}: return "{name}";\n' for name, _ in declarations.statuses)
    return (
        f"const char *{_STATUS_TEXT}(NRT_STATUS status) {{\n    switch (status) {{\n{cases}    }}\n"
        '    return "NRT_UNKNOWN";\n}\n'
    )


def _exported(function: Function, handles: frozenset[str]) -> str:
    arguments = []
    for parameter in function.parameters:
        stars = _is_handle(parameter, handles)
        cast = {0: "", 1: "(uintptr_t)", 2: "(uintptr_t *)"}[stars]
        arguments.append(f"{cast}{parameter.name}")
    call = f"py_{function.name}({', '.join(arguments)})"
    head = _signature(function.result, function.name, [f"{p.type} {p.name}" for p in function.parameters])
    if function.name == _CLOSE:
        # Declared void, but guides and some programs read a status: return 0 for them.
        return (
            "int libnrt_close(void) {\n    libnrt_call call;\n    if (libnrt_started() && libnrt_enter(&call, 0)) {\n"
            f"        {call};\n        libnrt_leave(&call);\n    }}\n    return 0;\n}}\n"
            '#pragma GCC diagnostic ignored "-Wattribute-alias"\n'
            f'{head} __attribute__((alias("libnrt_close")));\n'
        )
    if function.result == "void":
        return (
            f"{head} {{\n    libnrt_call call;\n    if (!libnrt_enter(&call, 1)) return;\n    {call};\n"
            "    libnrt_leave(&call);\n}\n"
        )
    # Not counted, because it waits for a close, which waits for all counted calls.
    counted = int(function.name != _INIT)
    failure = "NRT_FAILURE" if function.result == STATUS else "0"
    return (
        f"{head} {{\n    libnrt_call call;\n    {function.result} answer;\n"
        f"    if (!libnrt_enter(&call, {counted})) return {failure};\n    answer = ({function.result}){call};\n"
        "    libnrt_leave(&call);\n    return answer;\n}\n"
    )
