"""The Python bridge: libraries imported into this process.

Functions are governed through handles. Classes and constants are passed as themselves, because they
are used as values by code that never passes the dispatcher (``dtype=np.float64``, ``isinstance``,
``except np.linalg.LinAlgError``). A callable instance without a name of its own is such a value
too.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import sys
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, UnionType
from typing import Any

from noodle.calls import BoundFunction, Call, Function, LoadedLibrary, LoadRequest, Submodule
from noodle.errors import (
    LibraryLoadError,
    MissingPackageError,
    NameNotFoundError,
    TargetError,
    VersionError,
    did_you_mean,
)
from noodle.prototypes import Parameter, Prototype
from noodle.values import ANY, ValueType, qualified_name

__all__ = ["PythonBridge", "PythonFunction", "PythonLibrary", "prototype_of"]

DISTRIBUTION_NAMES = {
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}
"""Distributions whose name differs from their import name, for the commands in messages."""


_ABSENT = object()


class PythonBridge:
    """Loads Python packages, modules and files by direct import."""

    name = "python"
    option_names: frozenset[str] = frozenset()

    def missing(self) -> str | None:
        """Return None: this interpreter is always there."""
        return None

    def load(self, request: LoadRequest) -> LoadedLibrary:
        """Import a library.

        Args:
            request: The location is an import name, a distribution's name, or a path to a ``.py``
                file.

        Raises:
            MissingPackageError: No such package in this interpreter.
            VersionError: The installed version does not satisfy the requirement.
            LibraryLoadError: Importing it raised.
            TargetError: Prototypes were given; Python functions declare themselves.
        """
        if request.prototypes is not None:
            raise TargetError(
                f"{request.location} is a Python library, which declares its functions itself",
                expected="no prototypes",
                received="prototypes",
                remedy="leave the prototypes out",
            )
        if request.location.endswith(".py"):
            return PythonLibrary(_import_file(Path(request.directory, request.location)))
        name = _import_name(request.location)
        _check_version(name, request.requirement)
        return PythonLibrary(_import(name, request.location))


def _import_name(location: str) -> str:
    """Return the import name for what may be a distribution's name (``scikit-learn``)."""
    if all(part.isidentifier() for part in location.split(".")) and _exists(location):
        return location
    for import_name, distribution in DISTRIBUTION_NAMES.items():
        if distribution.casefold() == location.casefold():
            return import_name
    from importlib import metadata

    try:
        files = metadata.distribution(location).read_text("top_level.txt") or ""
    except (metadata.PackageNotFoundError, ValueError):
        return location
    candidates = [*files.split(), location.replace("-", "_")]
    return next((c for c in candidates if not c.startswith("_") and _exists(c)), location)


def _exists(name: str) -> bool:
    top = name.partition(".")[0]
    if top in sys.modules:
        return True
    try:
        return importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        return False


def _import(name: str, written: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise _missing_package(name, written, error.name) from None
        raise LibraryLoadError(
            f"importing {name} failed: it needs {error.name}, which is not installed",
            expected=f"the package {error.name}",
            received="no such package",
            remedy=f"{_pip_install(error.name or '')}",
        ) from error
    except Exception as error:
        raise LibraryLoadError(
            f"importing {name} failed: {type(error).__name__}: {error}",
            where=name,
            remedy=f'python -c "import {name}" shows the whole traceback',
        ) from error


def _missing_package(name: str, written: str, absent: str) -> Exception:
    top = name.partition(".")[0]
    if absent != top:
        parent = absent.rpartition(".")[0]
        return NameNotFoundError(
            f"{parent} has no module {absent.rpartition('.')[2]!r}",
            expected=f"a module of {parent}",
            received=absent,
            remedy=did_you_mean(absent.rpartition(".")[2], _submodule_names(parent)),
        )
    near = did_you_mean(top, _installed_modules())
    install = _pip_install(written.partition(".")[0])
    return MissingPackageError(
        f"no Python package {written!r}",
        expected="a package or module that this interpreter can import",
        received=written,
        remedy=f"{near}, or {install}" if near else install,
    )


def _pip_install(name: str, requirement: str = "") -> str:
    wanted = DISTRIBUTION_NAMES.get(name, name) + requirement
    return f"python -m pip install {wanted!r}" if requirement else f"python -m pip install {wanted}"


def _installed_modules() -> set[str]:
    import pkgutil

    return {*sys.stdlib_module_names, *(module.name for module in pkgutil.iter_modules())}


def _submodule_names(package: str) -> list[str]:
    import pkgutil

    path = getattr(sys.modules.get(package), "__path__", None)
    return [module.name for module in pkgutil.iter_modules(path)] if path else []


def _import_file(path: Path) -> ModuleType:
    name = path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise MissingPackageError(
            f"no Python file {path.name!r}", expected="an existing .py file", received=path.name
        )
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise LibraryLoadError(
            f"running {path.name} failed: {type(error).__name__}: {error}", where=path.name
        ) from error
    return module


def _check_version(name: str, requirement: str) -> None:
    if not requirement:
        return
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion

    # A plain version, as the configuration gives it, is an exact pin.
    pin = requirement if requirement[0] in "<>=!~" else f"=={requirement}"
    top = name.partition(".")[0]
    found = _version(top)
    if found is None and not _exists(top):
        return
    try:
        satisfied = found is not None and SpecifierSet(pin).contains(found, prereleases=True)
    except InvalidVersion:
        satisfied = False
    if not satisfied:
        raise VersionError(
            f"{top} {pin} is not what this interpreter has",
            expected=f"{top}{pin}",
            received=f"{top} {found}" if found else f"{top}, whose version is unknown",
            remedy=_pip_install(top, pin),
        )


def _version(top: str) -> str | None:
    from importlib import metadata

    for distribution in (top, DISTRIBUTION_NAMES.get(top)):
        try:
            if distribution:
                return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    version = getattr(sys.modules.get(top), "__version__", None)
    if version is None and top in sys.modules and top not in sys.stdlib_module_names:
        owners = metadata.packages_distributions().get(top, [])
        return metadata.version(owners[0]) if owners else None
    return str(version) if version is not None else None


class PythonLibrary:
    """An imported module as a namespace.

    Args:
        module: The module.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    @property
    def name(self) -> str:
        """The module's own name."""
        return self._module.__name__

    @property
    def version(self) -> str | None:
        """The version of the distribution that it belongs to, or None."""
        return _version(self.name.partition(".")[0])

    @property
    def documentation(self) -> str | None:
        """The module's docstring."""
        return self._module.__doc__

    def available(self) -> bool:
        """Return True: what is imported stays."""
        return True

    def names(self) -> Sequence[str]:
        """Return the public names."""
        return [name for name in dir(self._module) if not name.startswith("_")]

    def member(self, name: str) -> Any:
        """Return a function, submodule or value; a submodule not yet imported is imported.

        Raises:
            NameNotFoundError: There is none of that name.
            LibraryLoadError: It is a submodule that fails when it is imported.
        """
        value: Any = getattr(self._module, name, _ABSENT)
        if value is _ABSENT:
            value = self._submodule(name)
        if isinstance(value, ModuleType):
            return Submodule(PythonLibrary(value))
        return PythonFunction(name, value) if is_function(value) else value

    def _submodule(self, name: str) -> ModuleType:
        full = f"{self.name}.{name}"
        if not name.startswith("_") and name in _submodule_names(self.name):
            return _import(full, full)
        raise NameNotFoundError(
            f"{self.name} has no {name!r}",
            expected=f"a name of {self.name}",
            received=name,
            remedy=did_you_mean(name, self.names()),
        )


def is_function(value: object) -> bool:
    """Return whether a value is called through a handle: a callable with a name, but no class."""
    if isinstance(value, type) or not callable(value):
        return False
    return isinstance(value, functools.partial) or isinstance(getattr(value, "__name__", None), str)


class PythonFunction(Function):
    """A Python function, builtin, ufunc or bound method.

    Args:
        name: Its name in the library.
        function: The function itself.
    """

    __slots__ = ("_function", "_name", "_prototype")

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self._name = name
        self._function = function
        self._prototype: Prototype | None = None

    @property
    def prototype(self) -> Prototype:
        """What ``inspect.signature`` and the annotations tell."""
        if self._prototype is None:
            self._prototype = prototype_of(self._name, self._function)
        return self._prototype

    @property
    def raw(self) -> Callable[..., Any]:
        """The function itself."""
        return self._function

    def bind(self, call: Call) -> BoundFunction:
        """Return the function itself, whatever the signature."""
        return BoundFunction(self._function, generic=True)


def prototype_of(name: str, function: Callable[..., Any]) -> Prototype:
    """Return the prototype that a Python callable declares.

    Args:
        name: The name to give it.
        function: Any callable; one without a readable signature gives an unreadable prototype.
    """
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return Prototype(name, readable=False)
    hints = _type_hints(function)
    declared = list(signature.parameters.values())
    parameters = tuple(
        Parameter(
            p.name,
            _declared_type(hints.get(p.name)),
            optional=p.default is not p.empty,
            positional=p.kind is not p.KEYWORD_ONLY,
            keyword=p.kind is not p.POSITIONAL_ONLY,
        )
        for p in declared
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    )
    kinds = {p.kind for p in declared}
    return Prototype(
        name,
        parameters,
        _declared_type(hints.get("return")),
        variadic=inspect.Parameter.VAR_POSITIONAL in kinds,
        any_keyword=inspect.Parameter.VAR_KEYWORD in kinds,
    )


def _type_hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except Exception:  # annotations are code of the library and may raise anything
        return {}


_ACCEPT_MORE_THAN_INSTANCES = (typing.Any, UnionType, object, float, complex, type(None))

_DECLARED = {list: "list", dict: "map", int: "int", str: "str", bytes: "bytes", bool: "bool"}


def _declared_type(hint: object) -> ValueType:
    """Return the type that an annotation of a plain class declares; ``any`` for all others.

    A ``float`` annotation also takes an int, by the rule of PEP 484, and stays ``any``.
    """
    origin = typing.get_origin(hint) or hint
    if not isinstance(origin, type) or origin in _ACCEPT_MORE_THAN_INSTANCES:
        return ANY
    if origin in _DECLARED:
        return ValueType(_DECLARED[origin])
    name = {"numpy.ndarray": "ndarray", "torch.Tensor": "tensor"}.get(qualified_name(origin))
    if name:
        return ValueType(name)
    structural = typing.is_typeddict(origin) or getattr(origin, "_is_protocol", False)
    # An abstract class accepts by registration and structure, which a name cannot express.
    if structural or inspect.isabstract(origin):
        return ANY
    return ValueType(qualified_name(origin))
