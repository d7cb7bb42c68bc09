"""Compile ``libnrt.so.1`` with the system's compiler: ``python -m runtime_core.libnrt.build PREFIX``."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path

from runtime_core import __version__
from runtime_core.errors import NeuronError, UsageError
from runtime_core.files import write_atomically
from runtime_core.libnrt.declarations import INCLUDE, read_declarations
from runtime_core.libnrt.generate import MODULE, cffi_declarations, exported_functions, preamble

SONAME = "libnrt.so.1"
LINK_NAME = "libnrt.so"
_COMPILERS = ("cc", "gcc", "clang")
_HERE = Path(__file__).parent


class BuildError(NeuronError):
    """The library cannot be built on this system."""


def build(prefix: Path, *, python: str | None = None, environment: Mapping[str, str] | None = None) -> Path:
    """Build the library, and install it with its headers.

    The library goes to ``PREFIX/lib`` (``libnrt.so -> libnrt.so.1 -> libnrt.so.VERSION``), the headers to
    ``PREFIX/include``.

    Args:
        prefix: directory to install to; created if it is missing.
        python: the interpreter that programs start; default: the running one. It must have the running version.
        environment: environment variables of the build (``CC``, ``PATH``); default: those of the process.

    Returns:
        The path of the library file.

    Raises:
        BuildError: the compiler, the shared Python library, the Python headers or cffi is missing, or the compiler
            failed.
    """
    variables = os.environ if environment is None else environment
    compiler = _compiler(variables)
    libpython = _shared_python()
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").exists():
        raise BuildError("Python.h is missing", where=str(headers), mend=f"apt-get install {_debian_package()}-dev")
    library = prefix / "lib"
    include = prefix / "include"
    try:
        library.mkdir(parents=True, exist_ok=True)
        include.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BuildError(
            error.strerror or "cannot be created", where=str(prefix), mend="choose another prefix"
        ) from error
    target = library / f"{LINK_NAME}.{__version__}"
    with tempfile.TemporaryDirectory(prefix="libnrt-", dir=library) as folder:
        made = _compile(Path(folder), compiler, libpython, headers, python or sys.executable)
        _move_in(made, target, library)
    _install_headers(include)
    return target


def environment_prefix() -> Path:
    """Return the directory of the library for this Python's environment, as the target of links."""
    return Path(sys.prefix) / "lib" / "neuron-tools-sim"


def up_to_date_build(prefix: Path) -> Path:
    """Build like :func:`build`, unless a library of the same sources, Python and versions exists.

    Raises:
        BuildError: as for :func:`build`.
    """
    target = prefix / "lib" / f"{LINK_NAME}.{__version__}"
    stamp = prefix / "lib" / ".libnrt-stamp"
    key = _key()
    with contextlib.suppress(OSError):
        if target.exists() and (prefix / "include/nrt/nrt.h").exists() and stamp.read_text(encoding="ascii") == key:
            return target
    build(prefix)
    write_atomically(stamp, key.encode(), mode=0o644)
    return target


def _key() -> str:
    """Return a key of everything that the built files depend on."""
    digest = hashlib.sha256(repr((sys.version, sys.executable, __version__)).encode())
    for source in sorted([*INCLUDE.rglob("*.h"), *_HERE.glob("*.[ch]"), *_HERE.glob("*.py")]):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _compiler(variables: Mapping[str, str]) -> list[str]:
    named = variables.get("CC", "").split()
    for words in (named, *([name] for name in _COMPILERS)):
        found = shutil.which(words[0], path=variables.get("PATH", os.defpath)) if words else None
        if found:
            return [found, *words[1:]]
    raise BuildError("no C compiler found", mend="apt-get install gcc libc6-dev")


def _debian_package() -> str:
    return f"libpython{sys.version_info.major}.{sys.version_info.minor}"


def _shared_python() -> Path:
    """Return the shared library of the interpreter, which a C program can load."""
    name = sysconfig.get_config_var("INSTSONAME") or ""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    # Debian's interpreter is linked statically; its shared library is in a separate package.
    names = [name] if ".so" in name else [f"libpython{version}.so.1.0"]
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    base = Path(sys.base_prefix)
    folders = [Path(sysconfig.get_config_var("LIBDIR") or "/usr/lib"), base / "lib", base / "lib" / multiarch]
    folders += [Path("/usr/lib") / multiarch, Path("/usr/lib")] if base == Path("/usr") else []
    for folder in folders:
        for candidate in names:
            if (folder / candidate).exists():
                return folder / candidate
    raise BuildError(
        f"this Python has no shared library {names[0]}",
        where=sys.executable,
        mend=f"apt-get install {_debian_package()}-dev, or use a Python configured with --enable-shared",
    )


def _cffi_source() -> str:
    try:
        from cffi import FFI, recompiler
    except ImportError as error:
        raise BuildError("cffi is missing", mend="pip install 'neuron-tools-sim[libnrt]'") from error
    declarations = read_declarations()
    ffi = FFI()
    ffi.cdef(cffi_declarations(declarations))
    with tempfile.TemporaryDirectory(prefix="libnrt-cffi-") as folder:
        target = Path(folder) / f"{MODULE}.c"
        with contextlib.redirect_stdout(None):
            recompiler.make_c_source(ffi, MODULE, preamble(), str(target))
        return target.read_text(encoding="utf-8")


def _compile(folder: Path, compiler: list[str], libpython: Path, headers: Path, python: str) -> Path:
    declarations = read_declarations()
    exported = "".join(f"{f.name}; " for f in declarations.functions)
    (folder / "exports.map").write_text(f"{{ global: {exported}local: *; }};\n")
    (folder / "exported.c").write_text(exported_functions(declarations))
    (folder / "cffi.c").write_text(_cffi_source())
    made = folder / SONAME
    command = [
        *compiler,
        *("-shared", "-fPIC", "-O2", "-std=gnu11", "-fvisibility=default", "-w", "-pthread"),
        f'-DLIBNRT_PYTHON="{_c_string(python)}"',
        f"-DLIBNRT_INIT=PyInit_{MODULE}",
        *(f"-I{path}" for path in (INCLUDE, _HERE, headers)),
        *("-o", str(made)),
        *(str(folder / name) for name in ("exported.c", "cffi.c")),
        str(_HERE / "start.c"),
        # RPATH instead of RUNPATH, so that LD_LIBRARY_PATH cannot substitute another Python.
        f"-Wl,-soname,{SONAME},--version-script,{folder / 'exports.map'},-z,nodelete,-z,defs",
        f"-Wl,--disable-new-dtags,-rpath,{libpython.parent}",
        str(libpython),
        *("-ldl", "-lm"),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(str(error), where=compiler[0]) from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line or "fatal" in line]
        raise BuildError(
            (lines or done.stderr.splitlines() or ["failed"])[0],
            where=compiler[0],
            mend="apt-get install gcc libc6-dev, or set CC to a compiler that works",
        )
    return made


def _c_string(text: str) -> str:
    if any(ord(c) < 32 for c in text):
        raise UsageError("control characters in the path of Python", where=repr(text))
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _move_in(made: Path, target: Path, library: Path) -> None:
    """Move the file and its links into place; running programs keep the files that they have mapped."""
    made.chmod(0o755)
    os.replace(made, target)
    for link, points_to in ((SONAME, target.name), (LINK_NAME, SONAME)):
        temporary = library / f".{link}.{os.getpid()}"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(points_to)
        os.replace(temporary, library / link)


def _install_headers(include: Path) -> None:
    for source in INCLUDE.rglob("*.h"):
        target = include / source.relative_to(INCLUDE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def main() -> None:
    """Build into the prefix given on the command line."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print("usage: python -m runtime_core.libnrt.build PREFIX", file=sys.stderr)
        raise SystemExit(2)
    try:
        print(build(Path(sys.argv[1])))
    except NeuronError as error:
        print(f"libnrt: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
