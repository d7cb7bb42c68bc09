"""The functions and types declared in the library's headers, the single source of its C interface."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

INCLUDE = Path(__file__).parent / "include"
HEADERS = (
    "ndl/neuron_driver_shared_tensor_batch_op.h",
    "nrt/nrt_status.h",
    "nrt/nrt_version.h",
    "nrt/nrt.h",
    "nrt/nrt_experimental.h",
    "nrt/nrt_profile.h",
    "nrt/nrt_sys_trace.h",
    "nrt/ndebug_stream.h",
    "nrt/nrt_async.h",
    "nrt/nrt_async_sendrecv.h",
)
"""Headers with declarations, each after those that it depends on."""

STATUS = "NRT_STATUS"

_COMMENT = re.compile(r"/\*.*?\*/", re.S)
_LINKAGE = re.compile(r'#ifdef __cplusplus\s+(?:extern "C" \{|\})\s+#endif')
_CONSTANT = re.compile(r"^#define\s+(\w+)\s+(\d+)\s*$", re.M)
_FUNCTION = re.compile(r"^(?P<result>[\w\s*]+?)(?P<name>nrta?_\w+)\((?P<parameters>[^()]*)\)$")
_PARAMETER = re.compile(r"^(?P<type>.*?)(?P<name>\w+)$")
_OPAQUE = re.compile(r"typedef (?:struct \w+|void) (\w+);")
_ENUMERATOR = re.compile(r"\b(NRT_\w+) = (\d+)")


class Parameter(NamedTuple):
    """A parameter: its type as written, without its name."""

    type: str
    name: str


class Function(NamedTuple):
    """A prototype."""

    result: str
    name: str
    parameters: tuple[Parameter, ...]


class Declarations(NamedTuple):
    """The declarations in the headers.

    Attributes:
        types: text of every typedef, for a parser without preprocessor.
        functions: every prototype, in the order of the headers.
        handles: names of the opaque types.
        statuses: enumerators of ``NRT_STATUS`` with their values.
    """

    types: str
    functions: tuple[Function, ...]
    handles: frozenset[str]
    statuses: tuple[tuple[str, int], ...]


def read_declarations(include: Path = INCLUDE) -> Declarations:
    """Read the headers.

    They are our own and simple: macros are only constants, and prototypes have no nested parentheses.
    """
    texts = [(include / name).read_text(encoding="utf-8") for name in HEADERS]
    constants = {name: value for text in texts for name, value in _CONSTANT.findall(text)}
    statements = [s for text in texts for s in _statements(text, constants)]
    types = [s for s in statements if s.startswith("typedef") or s.startswith("enum")]
    functions = tuple(_function(s) for s in statements if not (s.startswith("typedef") or s.startswith("enum")))
    joined = "".join(f"{s};\n" for s in types)
    status_text = next(s for s in types if s.endswith(STATUS))
    statuses = tuple((name, int(value)) for name, value in _ENUMERATOR.findall(status_text))
    return Declarations(joined, functions, frozenset(_OPAQUE.findall(joined)), statuses)


def _statements(text: str, constants: dict[str, str]) -> list[str]:
    """Return the declarations in one header, without their semicolons."""
    text = _LINKAGE.sub("", _COMMENT.sub("", text))
    text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    text = re.sub(r"\b[A-Z]\w+\b", lambda word: constants.get(word[0], word[0]), text)
    found, depth, start = [], 0, 0
    for at, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if character == ";" and not depth:
            found.append(" ".join(text[start:at].split()))
            start = at + 1
    return found


def _function(statement: str) -> Function:
    match = _FUNCTION.match(statement)
    if match is None:
        raise ValueError(f"not a prototype: {statement}")
    listed = match["parameters"].strip()
    texts = [] if listed in ("", "void") else listed.split(",")
    parameters = []
    for text in texts:
        parameter = _PARAMETER.match(text.strip())
        if parameter is None:
            raise ValueError(f"not a parameter: {text}")
        parameters.append(Parameter(parameter["type"].strip(), parameter["name"]))
    return Function(match["result"].strip(), match["name"], tuple(parameters))
