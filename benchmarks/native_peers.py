"""Other ways to call the functions of ``scalars.c`` in this process: cffi, ctypes and nanobind.

The cffi module is the usual one: ``set_source`` with the library to link, compiled by
``FFI.compile``. ctypes knows ``argtypes`` and ``restype``. nanobind is a module in C++, and keeps
the GIL, as it does unless a function says otherwise; the others release it.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from measure import BenchmarkError
from noodle.bridges.native.compilers import Compiler

CTYPES: dict[str, Any] = {
    "double": ctypes.c_double,
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "size_t": ctypes.c_size_t,
    "const char *": ctypes.c_char_p,
    "const uint8_t *": ctypes.c_char_p,
    "void": None,
}
NANOBIND = Path(__file__).with_name("scalars_nanobind.cpp")


def ctypes_function(path: str, name: str, returns: str, parameters: Sequence[str]) -> Any:
    """Return a function of a library through ctypes."""
    function: Any = getattr(ctypes.CDLL(path), name)
    function.argtypes = [ctypes_type(parameter) for parameter in parameters]
    function.restype = CTYPES[returns]
    return function


def ctypes_type(parameter: str) -> Any:
    if parameter not in ("double *", "const double *"):
        return CTYPES[parameter]
    import numpy as np

    return np.ctypeslib.ndpointer(np.float64, flags="C_CONTIGUOUS")


def cffi_module(compiler: Compiler, prototypes: Sequence[str], directory: Path) -> Any:
    """Return a cffi module with these functions, linked the usual way with libscalars and libm."""
    from cffi import FFI

    builder = FFI()
    builder.cdef("\n".join(prototypes))
    own = [prototype for prototype in prototypes if "double cos" not in prototype]
    builder.set_source(
        "scalars_cffi",
        "\n".join(["#include <math.h>", "#include <stdint.h>", *own]),
        libraries=["m", "scalars"],
        library_dirs=[str(directory)],
        extra_link_args=[f"-Wl,-rpath,{directory}"],
    )
    with environment("CC", shlex.join(compiler.command)):
        path = builder.compile(tmpdir=str(directory))
    return import_file("scalars_cffi", Path(path))


def nanobind_module(directory: Path) -> Any:
    """Return a nanobind module with the functions of ``scalars.c``, or None without its tools."""
    compiler = shutil.which("g++")
    if compiler is None or find_spec("nanobind") is None:
        return None
    import nanobind

    sources = Path(nanobind.source_dir())
    include = [
        sysconfig.get_path("include"),
        nanobind.include_dir(),
        str(sources.parent / "ext" / "robin_map" / "include"),
    ]
    path = directory / f"scalars_nanobind{sysconfig.get_config_var('EXT_SUFFIX')}"
    command = [
        *(compiler, "-std=c++17", "-O2", "-DNDEBUG", "-fPIC", "-shared", "-fvisibility=hidden"),
        *(f"-I{folder}" for folder in include),
        *(str(NANOBIND), str(sources / "nb_combined.cpp"), "-o", str(path)),
        *(f"-L{directory}", "-lscalars", f"-Wl,-rpath,{directory}"),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise BenchmarkError(f"the nanobind module does not compile:\n{result.stderr}")
    return import_file("scalars_nanobind", path)


def import_file(name: str, path: Path) -> Any:
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
