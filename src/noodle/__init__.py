"""Noodle calls any function of any library as if it were local, under one policy.

>>> import noodle
>>> numpy = noodle.load("numpy")
>>> print(numpy.matmul([[1, 2], [3, 4]], [[5, 6], [7, 8]]))
[[19 22]
 [43 50]]

Everything is loaded on first use: ``import noodle`` itself brings in nothing else.
"""

from __future__ import annotations

# Known to type checkers; importing `typing` would take longer than everything else here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from noodle.bindings import Statistics as Statistics
    from noodle.bindings import raw as raw
    from noodle.bindings import statistics as stats
    from noodle.bridges.native.callbacks import Callback as Callback
    from noodle.bridges.native.callbacks import callback as callback
    from noodle.deadlines import deadline as deadline
    from noodle.ffi_dispatcher import FfiDispatcher as FfiDispatcher
    from noodle.runtime.engine import Engine as Engine
    from noodle.runtime.engine import bridge as bridge
    from noodle.runtime.engine import configure as configure
    from noodle.runtime.engine import load as load
    from noodle.runtime.engine import provide as provide
    from noodle.runtime.engine import unload as unload
    from noodle.workers.arrays import array as array
    from noodle.workers.arrays import empty as empty
    from noodle.workers.arrays import zeros as zeros
    from noodle.workers.references import copy as copy
    from noodle.workers.references import ref as ref
    from noodle.workers.references import release as release
    from noodle.workers.references import scope as scope
    from noodle.workers.references import undefined as undefined

__version__ = "0.1.0"

_EXPORTS = {
    "Callback": ("noodle.bridges.native.callbacks", "Callback"),
    "Engine": ("noodle.runtime.engine", "Engine"),
    "FfiDispatcher": ("noodle.ffi_dispatcher", "FfiDispatcher"),
    "Statistics": ("noodle.bindings", "Statistics"),
    "array": ("noodle.workers.arrays", "array"),
    "bridge": ("noodle.runtime.engine", "bridge"),
    "callback": ("noodle.bridges.native.callbacks", "callback"),
    "configure": ("noodle.runtime.engine", "configure"),
    "copy": ("noodle.workers.references", "copy"),
    "deadline": ("noodle.deadlines", "deadline"),
    "empty": ("noodle.workers.arrays", "empty"),
    "load": ("noodle.runtime.engine", "load"),
    "provide": ("noodle.runtime.engine", "provide"),
    "raw": ("noodle.bindings", "raw"),
    "ref": ("noodle.workers.references", "ref"),
    "release": ("noodle.workers.references", "release"),
    "scope": ("noodle.workers.references", "scope"),
    "stats": ("noodle.bindings", "statistics"),
    "undefined": ("noodle.workers.references", "undefined"),
    "unload": ("noodle.runtime.engine", "unload"),
    "zeros": ("noodle.workers.arrays", "zeros"),
}

__all__ = [
    "Callback",
    "Engine",
    "FfiDispatcher",
    "Statistics",
    "__version__",
    "array",
    "bridge",
    "callback",
    "configure",
    "copy",
    "deadline",
    "empty",
    "load",
    "provide",
    "raw",
    "ref",
    "release",
    "scope",
    "stats",
    "undefined",
    "unload",
    "zeros",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'noodle' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _EXPORTS[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
