"""Compiled extensions: one small module per library and set of prototypes, made once and cached.

A module links nothing. It opens the library by the absolute path that it is given, for itself
alone, and keeps the addresses of its functions in a table; each function calls through its entry.
With the usual linking, two libraries of one SONAME would silently become one. The module also
carries its declarations, so that a warm load reads one file and starts neither parser nor compiler.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from noodle.bridges.native.compilers import Compiler
from noodle.bridges.native.declarations import Declaration
from noodle.bridges.native.failures import C_CHECKS, C_SYMBOLS
from noodle.build_cache import BuildCache, digest
from noodle.errors import LibraryLoadError, MissingToolError

__all__ = [
    "Extension",
    "compile_extension",
    "extension_key",
    "open_extension",
    "read_declarations",
]

_FORMAT = "3"

_PYTHON_API = ("-D_CFFI_NO_LIMITED_API",)
"""A module serves one version of Python, so it may look into floats instead of asking for them."""

# cffi's own conversions round; these refuse a number that the C type does not hold.
_CHECKED_NUMBERS = r"""
#include <dlfcn.h>
#include <float.h>

/* Whether a float is the number that it was made from; a float as small as this one always is. */
static int noodle_holds(PyObject *number, double value)
{
    if (!PyLong_Check(number) || (-16777216.0 < value && value < 16777216.0))
        return 1;
    PyObject *back = PyLong_FromDouble(value);
    int same = back ? PyObject_RichCompareBool(back, number, Py_EQ) : -1;
    Py_XDECREF(back);
    return same;
}

static double noodle_refuse(PyObject *number, const char *type)
{
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_OverflowError, "%R does not fit %s", number, type);
    return -1.0;
}

static inline double noodle_to_double(PyObject *number)
{
    if (PyFloat_CheckExact(number))
        return PyFloat_AS_DOUBLE(number);
    double value = PyFloat_AsDouble(number);
    if (value == -1.0 && PyErr_Occurred())
        return value;
    return noodle_holds(number, value) == 1 ? value : noodle_refuse(number, "double");
}

static inline float noodle_to_float(PyObject *number)
{
    double value = PyFloat_AsDouble(number);
    if (value == -1.0 && PyErr_Occurred())
        return (float)value;
    double size = value < 0 ? -value : value;
    if (size >= 0x1.ffffffp+127 && size <= DBL_MAX)
        return (float)noodle_refuse(number, "float");
    float rounded = (float)value;
    return noodle_holds(number, rounded) == 1 ? rounded : (float)noodle_refuse(number, "float");
}

#undef _cffi_to_c_double
#undef _cffi_to_c_float
#define _cffi_to_c_double noodle_to_double
#define _cffi_to_c_float noodle_to_float
"""

_OPENING = r"""
static const char *noodle_open(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return dlerror();
    for (int i = 0; noodle_table[i].name != NULL; i++) {
        *noodle_table[i].entry = dlsym(library, noodle_table[i].name);
        if (*noodle_table[i].entry == NULL)
            return noodle_table[i].name;
    }
    return NULL;
}
"""

_modules: dict[str, Any] = {}
"""The modules that were imported, by key; importing one opens no library."""

_opened: dict[str, Extension] = {}
_loading = threading.Lock()


def _renew_lock() -> None:
    global _loading
    _loading = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


class Extension:
    """A loaded module, opened on its library.

    Args:
        module: The module.
        path: The library's absolute real path.

    Raises:
        LibraryLoadError: The library cannot be opened, or lacks a function.
    """

    def __init__(self, module: Any, path: Path) -> None:
        failed = module.lib.noodle_open(os.fsencode(path))
        if failed:
            reason = module.ffi.string(failed).decode("utf-8", "replace")
            raise LibraryLoadError(f"{path.name!r} does not load", received=reason)
        self.declarations = _declarations(module)
        self._functions = module.lib

    def entry(self, declaration: Declaration) -> Callable[..., Any]:
        """Return cffi's own callable for one of the declarations."""
        called: Callable[..., Any] = getattr(self._functions, _called(declaration.name))
        return called


def extension_key(text: str, path: Path, identity: str, compiler: str, optimization: str) -> str:
    """Return the key of an extension.

    Args:
        text: The prototypes, as they were given.
        path: The library's absolute real path; equal files at two places are two libraries.
        identity: The library's build id or content digest.
        compiler: The compiler's identity.
        optimization: The compiler level.
    """
    import _cffi_backend

    abi = f"{sys.implementation.cache_tag} {sysconfig.get_config_var('SOABI')}"
    return digest(
        _FORMAT, text, str(path), identity, compiler, optimization, abi, _cffi_backend.__version__
    )


def compile_extension(
    key: str,
    declare: Callable[[], Sequence[Declaration]],
    cache: BuildCache,
    compiler: Compiler,
    optimization: str,
    *,
    reports_failures: Callable[[], bool],
) -> Path:
    """Return the file of the extension for a key, compiled now if it was never compiled before.

    Args:
        key: See ``extension_key``.
        declare: Reads and checks the declarations; called only when something must be compiled.
        cache: Where extensions are kept.
        compiler: The compiler to use.
        optimization: The compiler level.
        reports_failures: Says whether the library does; called after ``declare``.

    Raises:
        MissingToolError: Python's own headers are not installed.
        CompilationError: The compiler failed.
        PrototypeError: From ``declare``.
    """
    name = _module_name(key)

    def build(output: Path) -> None:
        source = output.with_name(f"{name}.c")
        write_source(source, name, declare(), reports_failures=reports_failures())
        flags = [
            f"-{optimization}",
            "-fvisibility=hidden",
            "-w",
            *_PYTHON_API,
            f"-I{_python_headers()}",
        ]
        compiler.shared_library([source.name], output, directory=output.parent, flags=flags)

    return cache.get(f"{name}.so", build)


def read_declarations(key: str, compiled: Path) -> tuple[Declaration, ...]:
    """Return the declarations of a compiled extension, without opening its library.

    Args:
        key: Its key.
        compiled: Its file.

    Raises:
        ImportError: The file does not load.
    """
    with _loading:
        return _declarations(_module(key, compiled))


def open_extension(key: str, compiled: Path, path: Path) -> Extension:
    """Return an extension that is open on its library, the same one for the same key.

    Args:
        key: Its key.
        compiled: Its file.
        path: The library's absolute real path.

    Raises:
        ImportError: The file does not load.
        LibraryLoadError: The library cannot be opened.
    """
    known = _opened.get(key)
    if known:
        return known
    with _loading:
        if key not in _opened:
            _opened[key] = Extension(_module(key, compiled), path)
        return _opened[key]


def _module_name(key: str) -> str:
    return f"noodle_native_{key}"


def _module(key: str, compiled: Path) -> Any:
    if key not in _modules:
        _modules[key] = _import(_module_name(key), compiled)
    return _modules[key]


def _declarations(module: Any) -> tuple[Declaration, ...]:
    manifest = module.ffi.string(module.lib.noodle_manifest())
    return tuple(Declaration.unpack(packed) for packed in json.loads(manifest))


def _import(name: str, path: Path) -> Any:
    from importlib.machinery import ExtensionFileLoader
    from importlib.util import module_from_spec, spec_from_loader

    loader = ExtensionFileLoader(name, str(path))
    spec = spec_from_loader(name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def _python_headers() -> str:
    directory = sysconfig.get_path("include")
    if not os.path.isfile(os.path.join(directory, "Python.h")):
        raise MissingToolError(
            "Python's C headers are not installed",
            expected="Python.h",
            remedy=f"apt install python{sys.version_info.major}.{sys.version_info.minor}-dev",
        )
    return directory


def write_source(
    path: Path, name: str, declarations: Sequence[Declaration], *, reports_failures: bool = False
) -> None:
    """Write the C file of an extension.

    Only names that were checked to be identifiers and types of a fixed list enter the text, under
    prefixes of their own: a function may be called like a macro or a keyword of C.

    Args:
        path: The file to write.
        name: The module's name.
        declarations: Its functions.
        reports_failures: Whether the library reports failures; see ``failures.py``.
    """
    from cffi import FFI
    from cffi.recompiler import make_c_source

    builder = FFI()
    builder.cdef(
        "const char *noodle_open(const char *); const char *noodle_manifest(void);\n"
        + "\n".join(f"{_binary_prototype(d)};" for d in declarations)
    )
    manifest = json.dumps([declaration.pack() for declaration in declarations])
    table = "".join(f'{{"{d.name}", (void **)&{_entry(d.name)}}}, ' for d in declarations)
    table += C_SYMBOLS if reports_failures else ""
    parts = [
        _CHECKED_NUMBERS,
        C_CHECKS if reports_failures else "",
        *map(_trampoline, declarations),
        "static const struct { const char *name; void **entry; } noodle_table[] = "
        f"{{{table}{{NULL, NULL}}}};",
        _OPENING,
        f"static const char noodle_text[] = {_c_string(manifest)};",
        "static const char *noodle_manifest(void) { return noodle_text; }",
    ]
    # FFI.emit_c_code writes the same file, but also prints to the program's output.
    make_c_source(builder, name, "\n".join(parts), str(path))


def _called(name: str) -> str:
    return f"noodle_call_{name}"


def _entry(name: str) -> str:
    return f"noodle_entry_{name}"


def _binary_prototype(declaration: Declaration) -> str:
    types = ", ".join(p.type.binary for p in declaration.parameters)
    return f"{declaration.result.binary} {_called(declaration.name)}({types or 'void'})"


def _trampoline(declaration: Declaration) -> str:
    types = [p.type.binary for p in declaration.parameters]
    result = declaration.result.binary
    entry = f"static {result} (*{_entry(declaration.name)})({', '.join(types) or 'void'});"
    named = ", ".join(f"{kind} a{index}" for index, kind in enumerate(types)) or "void"
    call = f"{_entry(declaration.name)}({', '.join(f'a{i}' for i in range(len(types)))})"
    body = f"{call};" if result == "void" else f"return {call};"
    return f"{entry}\nstatic inline {result} {_called(declaration.name)}({named}) {{ {body} }}"


def _c_string(text: str) -> str:
    lines = [_escaped(text[start : start + 500]) for start in range(0, len(text), 500)]
    return "\n".join(f'"{line}"' for line in lines) or '""'


def _escaped(text: str) -> str:
    return "".join(
        c if c.isascii() and c.isprintable() and c not in '"\\?' else _octal(c) for c in text
    )


def _octal(character: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in character.encode())
