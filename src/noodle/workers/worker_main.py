"""The Python worker: serves the host that started it, through descriptors 3 to 6.

    python worker_main.py [DIRECTORY...]

The directories come first on ``sys.path``. This file and ``python_worker`` run on CPython 3.8 and
later, in an environment where nothing of noodle is installed, nor can be imported.
"""

# Without what versions before 3.8 do not know, so that these are refused with a reason.
import sys
from os.path import dirname, join
from types import ModuleType

PACKAGE = "_noodle_worker"


def refusal() -> str:
    """Say why this interpreter cannot be a worker, or return nothing."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.implementation.name != "cpython":
        return f"expected CPython 3.8 or later, received {sys.implementation.name}"
    if sys.version_info < (3, 8):  # noqa: UP036
        return f"expected CPython 3.8 or later, received {version}"
    if "t" in getattr(sys, "abiflags", ""):
        return (
            f"received CPython {version} without the GIL, which cannot load the worker's "
            "extension; expected a build with the GIL"
        )
    return ""


def make_package() -> None:
    """Make the package of the worker's two halves, in which nothing else is found."""
    package = ModuleType(PACKAGE)
    package.__path__ = [join(dirname(__file__), "python_worker")]
    sys.modules[PACKAGE] = package


def take_the_place_of_main() -> None:
    """Leave ``__main__``, the path and the arguments to the user, as ``python -c`` has them."""
    first = sys.argv[1:]
    sys.path[:] = first + [entry for entry in sys.path[1:] if entry not in first]
    sys.argv[:] = [""]
    main = ModuleType("__main__")
    main.__builtins__ = __builtins__  # type: ignore[attr-defined]
    sys.modules["__main__"] = main


if __name__ == "__main__":
    reason = refusal()
    if reason:
        sys.exit(f"noodle: this interpreter cannot be a worker: {reason}")
    own = sys.modules["__main__"]  # keeps the globals of this file alive
    make_package()
    take_the_place_of_main()
    from _noodle_worker.main import run  # type: ignore[import-not-found]

    run()
