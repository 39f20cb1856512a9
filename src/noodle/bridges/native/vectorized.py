"""A native function over arrays: what ``handle.map`` calls, and a call with ``auto_vectorize``."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from noodle.bridges.native.argument_rules import Argument, Refusal
from noodle.bridges.native.declarations import Declaration
from noodle.bridges.native.vectorized_arrays import (
    PLACE,
    dtypes_of,
    has_array,
    is_array,
    operand,
    out_refusal,
)
from noodle.bridges.native.vectorized_loops import LEAST_FOR_THREADS, ArrayLoop
from noodle.bridges.native.vectorized_source import can_loop, item_types
from noodle.calls import BoundFunction, Call, Function
from noodle.errors import (
    ArgumentError,
    ArgumentTypeError,
    ArityError,
    MissingPackageError,
    SettingsError,
    ShapeError,
    did_you_mean,
)
from noodle.prototypes import Prototype

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

__all__ = ["MappedFunction", "given"]


class MappedFunction(Function):
    """A function of numbers, called for each element of arrays in a compiled loop.

    Args:
        name: The function's name in messages.
        declaration: What it takes and gives.
        arguments: The rules of its parameters.
        raw: The function itself, as a Python callable.
        match: Puts arguments in the order of the parameters; raises when they do not fit.
        loop: What calls it.
    """

    def __init__(
        self,
        name: str,
        declaration: Declaration,
        arguments: Sequence[Argument],
        raw: Callable[..., Any],
        match: Callable[[tuple[Any, ...], Mapping[str, Any]], list[Any]],
        loop: ArrayLoop,
    ) -> None:
        self._name = name
        self.__name__ = declaration.name  # an error of a deadline asks for it
        self._declaration = declaration
        self._arguments = arguments
        self._raw = raw
        self._match = match
        self._loop = loop
        self._items = [native.type.name for native in item_types(declaration)]

    @property
    def prototype(self) -> Prototype:
        """What the function declares, for each element."""
        return self._declaration.prototype()

    @property
    def raw(self) -> Callable[..., Any]:
        """The function itself, as a Python callable."""
        return self._raw

    def replaces(self, call: Call) -> bool:
        """Return whether a call with these arguments is one for their elements."""
        automatic = self._loop.options.automatic and can_loop(self._declaration)
        return automatic and has_array([*call.args, *call.kwargs.values()])

    def bind(self, call: Call) -> BoundFunction:
        """Return what maps; it checks its arguments at each call.

        Raises:
            ArgumentTypeError: The function takes or gives something else than numbers and bools.
        """
        self._refuse_memory()
        note = "called for each element of arrays, in a compiled loop"
        options = self._loop.options
        if options.parallel and options.is_thread_safe(self._declaration.name):
            note += " on all processors"
        return BoundFunction(self, generic=True, notes=(note,))

    def __call__(
        self, /, *args: Any, out: Any = None, parallel: bool | None = None, **kwargs: Any
    ) -> Any:
        """Call the function for each element, and return the array of results.

        Args:
            args: Arrays, lists and numbers, which are broadcast.
            out: The array for the results; None for a new one.
            parallel: Whether several processors are used; None for the setting.
            kwargs: Arguments by the parameters' names.

        Raises:
            ArgumentError: Some do not fit, or ``out`` does not.
            ShapeError: The shapes cannot be broadcast.
            SettingsError: ``parallel`` is asked of a function that was not declared thread-safe.
            DeadlineExceededError: The deadline passed.
        """
        arrays, threads = self.prepared(self.matched(args, kwargs), out, parallel)
        return given(self._loop.apply(arrays, out, threads), out)

    def matched(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Any]:
        """Return arguments in the order of the parameters.

        Raises:
            ArityError: There are too few or too many, or a keyword is neither a parameter nor an
                option of maps.
        """
        names = [p.name for p in self._declaration.parameters if p.name]
        for name in kwargs:
            if name not in names:
                known = [*names, "out", "parallel"]
                raise ArityError(
                    f"a map of {self._name} takes no {name!r}",
                    expected=f"one of {', '.join(known)}",
                    received=name,
                    where=f"map of {self._name}",
                    remedy=did_you_mean(name, known),
                )
        return self._match(args, kwargs)

    def prepared(
        self, values: Sequence[Any], out: Any, parallel: bool | None
    ) -> tuple[list[Array], int]:
        """Return checked arrays, and how many threads there may be; see ``__call__``."""
        dtypes = self._dtypes
        arrays = self._operands(values, dtypes)
        shape = self._shape(arrays)
        refused = None if out is None else out_refusal(out, dtypes[-1], self._items[-1], shape)
        if refused:
            raise self._error("out", refused)
        return arrays, self._threads(parallel, shape)

    def remedy(self, value: Any) -> str | None:
        """Return what to type where a call was given an array for a number, or None."""
        if not (is_array(value) and can_loop(self._declaration)):
            return None
        names = [p.name or f"x{k}" for k, p in enumerate(self._declaration.parameters, 1)]
        mapped = f"{self._declaration.name}.map({', '.join(names)})"
        return f"{mapped}, which calls it for each element"

    @cached_property
    def _dtypes(self) -> list[numpy.dtype[Any]]:
        """The dtypes of the parameters and, last, of the result."""
        _require_numpy(self._name)
        import numpy

        return [numpy.dtype(code) for code in dtypes_of(self._declaration)]

    def _operands(self, values: Sequence[Any], dtypes: Sequence[numpy.dtype[Any]]) -> list[Array]:
        arrays = []
        for index, value in enumerate(values):
            found = operand(value, dtypes[index], self._items[index], self._arguments[index])
            if isinstance(found, Refusal):
                raise self._refusal(index, found)
            arrays.append(found)
        return arrays

    def _refusal(self, index: int, refused: Refusal) -> ArgumentError:
        label = self._declaration.parameters[index].name or f"argument {index + 1}"
        shown = label if label.isidentifier() else "a"
        remedy = refused.remedy and refused.remedy.replace(PLACE, shown)
        return self._error(label, replace(refused, remedy=remedy))

    def _shape(self, arrays: Sequence[Array]) -> tuple[int, ...]:
        import numpy

        shapes = [array.shape for array in arrays]
        try:
            if shapes.count(shapes[0]) == len(shapes):
                return tuple(shapes[0])
            return numpy.broadcast_shapes(*shapes)
        except ValueError:
            raise ShapeError(
                f"the arrays for {self._name} have shapes that do not fit each other",
                expected="shapes that NumPy can broadcast: lengths from the last on, equal or 1",
                received=", ".join(map(str, shapes)),
                where=f"map of {self._name}",
            ) from None

    def _threads(self, parallel: bool | None, shape: tuple[int, ...]) -> int:
        options, name = self._loop.options, self._declaration.name
        if parallel is None:
            many = options.parallel and math.prod(shape) >= LEAST_FOR_THREADS
            parallel = many and options.is_thread_safe(name)
        if parallel and not options.is_thread_safe(name):
            raise SettingsError(
                f"{self._name} was not declared safe to run on several threads at once",
                expected="a function that keeps nothing between calls, declared so",
                received="parallel=True",
                where=f"map of {self._name}",
                remedy=f'thread_safe=["{name}"] as an option of the load, if its manual says so',
            )
        return len(os.sched_getaffinity(0)) if parallel else 1

    def _refuse_memory(self) -> None:
        if can_loop(self._declaration):
            return
        raise ArgumentTypeError(
            f"{self._name} cannot be mapped over arrays",
            expected="a function whose parameters and result are numbers or bools",
            received=self._declaration.c_text,
            where=f"map of {self._name}",
            remedy=f"{self._declaration.name}.batch([(x,) for x in values]), which calls it for "
            "each row",
        )

    def _error(self, label: str, refused: Refusal) -> ArgumentError:
        return refused.error(
            f"map of {self._name} does not accept {label}",
            expected=refused.expected,
            received=refused.received,
            where=f"{label} of {self.prototype}",
            remedy=refused.remedy,
        )


def given(result: Array, out: Array | None) -> Any:
    """Return what the caller gets for the array of results: a number where it has no dimensions."""
    return result if result.ndim or out is not None else result[()]


def _require_numpy(name: str) -> None:
    try:
        import numpy  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            f"map of {name} over arrays needs NumPy",
            where=f"map of {name}",
            remedy="pip install numpy",
        ) from error
