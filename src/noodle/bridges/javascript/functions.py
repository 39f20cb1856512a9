"""Functions and classes of a JavaScript module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter as PythonParameter
from inspect import Signature as PythonSignature
from typing import Any

from noodle import _host
from noodle.bridges.remote.functions import BatchedFunction, RawFunction, WorkerFunction
from noodle.calls import BoundFunction, Call, Function, require_rows
from noodle.errors import ArityError, RemoteCallError
from noodle.prototypes import Parameter, Prototype

__all__ = ["JavaScriptFunction", "prototype_of"]


class JavaScriptFunction(WorkerFunction):
    """A function of a module; or a class, which a call constructs an object of.

    JavaScript lets a call leave any of its parameters out, and give more.

    Args:
        remote: What calls it.
        prototype: What it declares.
        documentation: Its docstring.
        is_class: Whether a call constructs an object.
    """

    __slots__ = ("_is_class",)

    def __init__(
        self,
        remote: _host.RemoteFunction,
        prototype: Prototype,
        documentation: str,
        *,
        is_class: bool = False,
    ) -> None:
        super().__init__(remote, prototype, _RawJavaScript(remote, prototype, documentation))
        self._is_class = is_class

    @property
    def batched(self) -> Function | None:
        """What sends many calls in one message; None for a class."""
        return None if self._is_class else _Batched(self)

    def bind(self, call: Call) -> BoundFunction:
        """Return what calls the function in a worker.

        Raises:
            ArityError: A keyword is none of its parameters.
        """
        signature = call.signature
        if not signature.keywords:
            return BoundFunction(self._call, _with_advice, generic=True)
        names = [name for name, _ in signature.keywords]
        order = _order(self._prototype, len(signature.positional), names)
        return BoundFunction(_by_position(self._call, order), _with_advice)


class _Batched(BatchedFunction[JavaScriptFunction]):
    __slots__ = ()

    def bind(self, call: Call) -> BoundFunction:
        return BoundFunction(self._call, _with_advice, generic=True)

    def _call(self, rows: list[Sequence[Any] | Mapping[str, Any]]) -> list[Any]:
        from noodle.workers.batches import call_rows

        return call_rows(self._function._remote, rows, self._rows, ())

    def _rows(self, rows: Sequence[Sequence[Any] | Mapping[str, Any]]) -> list[list[Any]]:
        require_rows(self._function.prototype.name, rows)
        return [self._row(row) for row in rows]

    def _row(self, row: Sequence[Any] | Mapping[str, Any]) -> list[Any]:
        if not isinstance(row, Mapping):
            return list(row)
        from noodle.workers.references import undefined

        order = _order(self._function.prototype, 0, list(row))
        return [undefined if name is None else row[name] for name in order]


class _RawJavaScript(RawFunction):
    """A JavaScript function as a Python callable; of a class, with its static members."""

    def __init__(
        self, remote: _host.RemoteFunction, prototype: Prototype, documentation: str
    ) -> None:
        super().__init__(remote, prototype.name, documentation, _python_signature(prototype))
        self._prototype = prototype

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it in a worker."""
        if not kwargs:
            return self._remote(*args)
        order = _order(self._prototype, len(args), list(kwargs))
        return _by_position(self._remote, order)(*args, **kwargs)


def prototype_of(name: str, parameters: Sequence[str]) -> Prototype:
    """Return the prototype of a JavaScript function.

    Args:
        name: Its name.
        parameters: The names of its parameters as it writes them, a rest parameter with ``...``.
    """
    named = [parameter for parameter in parameters if not parameter.startswith("...")]
    return Prototype(
        name,
        tuple(Parameter(text, optional=True, keyword=text.isidentifier()) for text in named),
        variadic=True,
    )


def _python_signature(prototype: Prototype) -> PythonSignature:
    """Return the parameters as ``inspect.signature`` should show them."""
    names = [parameter.name for parameter in prototype.parameters]
    if len(set(names)) != len(names):
        return PythonSignature([PythonParameter("arguments", PythonParameter.VAR_POSITIONAL)])
    try:
        return PythonSignature(
            [PythonParameter(name, PythonParameter.POSITIONAL_OR_KEYWORD) for name in names]
        )
    except ValueError:  # a name is not one of Python's
        return PythonSignature([PythonParameter("arguments", PythonParameter.VAR_POSITIONAL)])


def _order(prototype: Prototype, positional: int, names: Sequence[str]) -> tuple[str | None, ...]:
    """Return the keyword of each place behind the positional arguments; None where it is left out.

    Raises:
        ArityError: A keyword is none of the parameters that are still free.
    """
    parameters = [parameter.name for parameter in prototype.parameters]
    free = parameters[positional:]
    for name in names:
        if name not in free:
            taken = name in parameters
            raise ArityError(
                f"{prototype.name} got {name} twice"
                if taken
                else f"{prototype.name} has no {name}",
                expected=f"keywords among {', '.join(free)}" if free else "no keywords",
                received=name,
                where=prototype.name,
                remedy=None
                if taken
                else "options of JavaScript are one object: pass them as a dict",
            )
    last = max(free.index(name) for name in names)
    return tuple(name if name in names else None for name in free[: last + 1])


def _by_position(function: Callable[..., Any], order: tuple[str | None, ...]) -> Callable[..., Any]:
    from noodle.workers.references import undefined

    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, *(undefined if name is None else kwargs[name] for name in order))

    return call


def _with_advice(
    error: BaseException, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> BaseException:
    """Name the option that helps where a number met a BigInt."""
    if isinstance(error, RemoteCallError) and "BigInt" in str(error):
        error.add_note(
            "Arrays of 64-bit integers are BigInt64Array in JavaScript; with int64='number' as an "
            "option of the load they are Float64Array instead."
        )
    return error
