"""The Python bridge: libraries imported into this process.

Functions are governed through handles. Classes and constants are passed as themselves, because they
are used as values by code that never passes the dispatcher (``dtype=np.float64``, ``isinstance``,
``except np.linalg.LinAlgError``). A callable instance without a name of its own is such a value
too.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, UnionType
from typing import TYPE_CHECKING, Any

from noodle._handle import Handle
from noodle.bridges.python_environments import (
    describe_needs,
    environment_of,
    lock_of,
    require_dependencies,
    requirements_of,
)
from noodle.bridges.python_imports import (
    check_interpreter,
    check_version,
    import_file,
    import_module,
    import_name,
    submodule_names,
    version_of,
)
from noodle.bridges.python_options import WORKER_OPTIONS
from noodle.bridges.remote.options import refuse_worker_options
from noodle.calls import (
    BoundFunction,
    Call,
    Function,
    LoadedLibrary,
    LoadRequest,
    Preparation,
    Submodule,
)
from noodle.errors import (
    NameNotFoundError,
    TargetError,
    did_you_mean,
)
from noodle.prototypes import Parameter, Prototype
from noodle.values import ANY, ValueType, qualified_name

if TYPE_CHECKING:
    from noodle.stubs.model import StubModule

__all__ = ["PythonBridge", "PythonFunction", "PythonLibrary", "declared_type", "prototype_of"]

_ABSENT = object()


class PythonBridge:
    """Loads Python packages, modules and files: by direct import, or in worker processes."""

    name = "python"
    placements = ("inprocess", "isolated")

    @property
    def option_names(self) -> frozenset[str]:
        """The load options that this bridge understands: of workers, and of environments."""
        from noodle.bridges.python_options import PythonOptions

        return PythonOptions.names()

    def missing(self) -> str | None:
        """Return None: this interpreter is always there."""
        return None

    def usual_placement(self, request: LoadRequest) -> str:
        """Return ``isolated`` for a library that needs an environment, else ``inprocess``.

        Raises:
            SettingsError: An option, a version or a dependency cannot be read.
        """
        return "inprocess" if requirements_of(request) is None else "isolated"

    def prepare(self, request: LoadRequest) -> Preparation | None:
        """Make the environment of a library; None where this interpreter has what it needs.

        Raises:
            UsageError, ForeignError: As ``Environments.provide``.
        """
        from noodle.workers.environments.locked_packages import SECTION

        environment = environment_of(request) if request.placement == "isolated" else None
        if environment is None:
            return None
        folder = environment.interpreter.parent.parent
        return Preparation(environment.description, folder, SECTION, environment.title)

    def lock(self, request: LoadRequest) -> Preparation | None:
        """Lock what the environment of a library has, installing nothing; None without one.

        Raises:
            UsageError, ForeignError: As ``Environments.lock``.
        """
        return lock_of(request) if request.placement == "isolated" else None

    def needs(self, request: LoadRequest) -> str | None:
        """Return the environment that a library needs and whether it is there, in one line."""
        return describe_needs(request) if request.placement == "isolated" else None

    def describe(self, request: LoadRequest, *, run: bool = False) -> StubModule | None:
        """Return what a library declares; None where that cannot be known without importing it.

        Args:
            request: As of ``load``.
            run: Whether it may be installed and imported.

        Raises:
            UsageError, ForeignError: As ``load``.
        """
        from noodle.bridges.python_declarations.stubs import describe_python

        return describe_python(request, self.load, run=run)

    def load(self, request: LoadRequest) -> LoadedLibrary:
        """Import a library.

        Args:
            request: The location is an import name, a distribution's name, or a path to a ``.py``
                file or to a directory with ``__init__.py``.

        Raises:
            MissingPackageError: No such package in this interpreter.
            VersionError: The installed version, or the interpreter's, is not what was asked for.
            LibraryLoadError: Importing it raised.
            TargetError: Prototypes were given; Python functions declare themselves.
            SettingsError: There are options, which only libraries in workers have.
            WorkerCrashedError: Its worker ended while it was imported.
        """
        if request.prototypes is not None:
            raise TargetError(
                f"{request.location} is a Python library, which declares its functions itself",
                expected="no prototypes",
                received="prototypes",
                remedy="leave the prototypes out",
            )
        if request.placement == "isolated":
            from noodle.bridges.python_isolated import load_isolated

            return load_isolated(request, environment_of(request))
        refuse_worker_options(request, WORKER_OPTIONS)
        if request.interpreter:
            check_interpreter(request.location, request.interpreter)
        if "/" in request.location:
            file = import_file(Path(request.directory, request.location))
            return PythonLibrary(file, packaged=False)
        name = import_name(request.location)
        check_version(name, request.requirement)
        require_dependencies(request)
        return PythonLibrary(import_module(name, request.location))


class PythonLibrary:
    """An imported module as a namespace.

    Args:
        module: The module.
        packaged: Whether it may belong to an installed distribution, which tells its version.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, module: ModuleType, *, packaged: bool = True) -> None:
        self._module = module
        self._packaged = packaged

    @property
    def name(self) -> str:
        """The module's own name."""
        return self._module.__name__

    @property
    def version(self) -> str | None:
        """The version of the distribution that it belongs to, or what a file states, or None."""
        if not self._packaged:
            stated = getattr(self._module, "__version__", None)
            return stated if isinstance(stated, str) else None
        return version_of(self.name.partition(".")[0])

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
        if isinstance(value, Handle):
            return value  # of a library that the module has loaded itself: governed already
        if isinstance(value, ModuleType):
            return Submodule(PythonLibrary(value))
        return PythonFunction(name, value) if is_function(value) else value

    def value(self, name: str) -> Any:
        """Return a member as the module has it.

        Raises:
            AttributeError: There is none.
        """
        return getattr(self._module, name)

    @property
    def dynamic(self) -> bool:
        """Whether the module makes members when they are asked for."""
        return "__getattr__" in vars(self._module)

    def _submodule(self, name: str) -> ModuleType:
        full = f"{self.name}.{name}"
        if not name.startswith("_") and name in submodule_names(self.name):
            return import_module(full, full)
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
    try:
        name = getattr(value, "__name__", None)
    except Exception:  # a proxy may have nothing behind it yet, and raise anything
        return False
    return isinstance(value, functools.partial) or isinstance(name, str)


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

_DECLARED = {"dict": "map", "numpy.ndarray": "ndarray", "torch.Tensor": "tensor"}


def declared_type(name: str | None) -> ValueType:
    """Return the type that an annotation with the class of that name declares.

    Args:
        name: ``module.Class``; None where it names no plain class.
    """
    return ANY if name is None else ValueType(_DECLARED.get(name, name))


def _declared_type(hint: object) -> ValueType:
    """Return the type that an annotation of a plain class declares; ``any`` for all others.

    A ``float`` annotation also takes an int, by the rule of PEP 484, and stays ``any``.
    """
    origin = typing.get_origin(hint) or hint
    if not isinstance(origin, type) or origin in _ACCEPT_MORE_THAN_INSTANCES:
        return ANY
    structural = typing.is_typeddict(origin) or getattr(origin, "_is_protocol", False)
    # An abstract class accepts by registration and structure, which a name cannot express.
    if structural or inspect.isabstract(origin):
        return ANY
    return declared_type(qualified_name(origin))
