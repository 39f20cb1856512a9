"""Ways to call a C function, here and in another process, each through one library."""

from __future__ import annotations

import ctypes
import os
from typing import Any

from sides import Side, side_behind_pipe, side_of_noodle

LIBRARY = "BENCHMARK_LIBRARY"
"""The variable with the path of the library that is built of scalars.c."""

PROTOTYPES = "double add(double first, double second); int32_t process_id(void);"


def open_noodle_isolated_c() -> Side:
    module = load("isolated")
    return side_of_noodle(module, module.process_id())


def open_noodle_c() -> Side:
    import noodle

    module = load("inprocess")
    return Side(module.add, module.process_id(), counted=lambda: noodle.stats(module.add).calls)


def load(placement: str) -> Any:
    import noodle

    return noodle.load(os.environ[LIBRARY], prototypes=PROTOTYPES, placement=placement)


def open_ctypes() -> Side:
    return Side(ctypes_function(), os.getpid())


def open_pipe_to_ctypes() -> Side:
    return side_behind_pipe(ctypes_function())


def ctypes_function() -> Any:
    function: Any = ctypes.CDLL(os.environ[LIBRARY]).add
    function.argtypes = [ctypes.c_double, ctypes.c_double]
    function.restype = ctypes.c_double
    return function
