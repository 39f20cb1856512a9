"""A native function: what a loaded library gives for each declaration."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from noodle.bridges.native.argument_rules import Argument, Converter, Refusal
from noodle.bridges.native.arguments import argument_of
from noodle.bridges.native.contents import Contents
from noodle.bridges.native.declarations import Declaration, DeclaredParameter
from noodle.bridges.native.failures import NativeFailure
from noodle.bridges.native.results import converter_of
from noodle.bridges.native.variadic_functions import VARIADIC, TakesTypes, VariadicFunction
from noodle.bridges.native.vectorized import MappedFunction
from noodle.bridges.native.vectorized_loops import ArrayLoop
from noodle.calls import BoundFunction, Call, Function, Signature
from noodle.errors import ArgumentError, ArityError, NoodleError
from noodle.prototypes import Prototype

if TYPE_CHECKING:
    from noodle.bridges.native.library_types import LibraryTypes

__all__ = ["DeclaredFunction", "NativeFunction", "NativeFunctions", "adapted", "lending"]

_REFUSALS = (TypeError, ValueError, OverflowError, BufferError)
"""What cffi and the converters raise for an argument that does not fit."""


class DeclaredFunction(TakesTypes):
    """A function of a shared library, wherever that is loaded.

    Args:
        library: The library's name in messages.
        declaration: What the function takes and gives.
        rules: Gives the rules of a parameter, by its declaration and its name in messages.
        compiled: Whether a compiled extension calls it, which checks numbers itself.
        notes: What ``explain`` should tell about how it is called.
        loop: What calls it for the elements of arrays; None where nothing does.
    """

    def __init__(
        self,
        library: str,
        declaration: Declaration,
        rules: Callable[[DeclaredParameter, str], Argument],
        *,
        compiled: bool,
        notes: tuple[str, ...] = (),
        loop: ArrayLoop | None,
    ) -> None:
        self._name = f"{library}.{declaration.name}"
        self._declaration = declaration
        self._prototype = declaration.prototype()
        self._compiled = compiled
        self._notes = notes
        self._labels = [p.name or f"argument {i}" for i, p in enumerate(declaration.parameters, 1)]
        self._arguments = [
            rules(p, label) for p, label in zip(declaration.parameters, self._labels, strict=True)
        ]
        self._raw = _python_function(self, library, declaration)
        self._mapped: MappedFunction | None = None
        options = loop.options if loop else None
        self._concurrent = bool(
            options and options.parallel and options.is_thread_safe(declaration.name)
        )
        if loop is not None:
            self._mapped = MappedFunction(
                self._name, declaration, self._arguments, self._raw, self.matched, loop
            )

    @property
    def prototype(self) -> Prototype:
        """What the function declares."""
        return self._prototype

    @property
    def raw(self) -> Callable[..., Any]:
        """The function as plain Python sees it: callable, with a docstring and a signature."""
        return self._raw

    @property
    def mapped(self) -> Function | None:
        """What calls it for the elements of arrays, in a compiled loop; None for none."""
        return self._mapped

    @property
    def concurrent(self) -> bool:
        """Whether the calls of a batch in this process run on several threads."""
        return self._concurrent

    def bind(self, call: Call) -> BoundFunction:
        """Make the function ready for calls of this signature; nothing is called.

        Args:
            call: The call that is being planned.

        Raises:
            ArgumentError: The arguments do not fit; the message names the parameter.
        """
        if self._mapped and self._mapped.replaces(call):
            return replace(self._mapped.bind(call), generic=False)
        self.check(call.args, call.kwargs)
        return self._bound_with_fields(call.args, call.kwargs)

    def translate(
        self, error: BaseException, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> BaseException:
        """Return the error to raise for one that the callable raised.

        Args:
            error: What cffi or a converter raised.
            args: The positional arguments of the call.
            kwargs: Its keyword arguments.
        """
        if isinstance(error, NativeFailure):
            return error.error(self._name)
        if isinstance(error, NoodleError) or not isinstance(error, _REFUSALS):
            return error
        return self.refusal_of(args, kwargs) or error

    def refusal_of(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> ArgumentError | None:
        """Return why arguments do not fit, or None when they do."""
        try:
            self.check(args, kwargs)
        except ArgumentError as refused:
            return refused
        return None

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Check arguments, types and values.

        Raises:
            ArgumentError: They do not fit; the message names the parameter.
        """
        values = self.matched(args, kwargs)
        for label, argument, value in zip(self._labels, self._arguments, values, strict=True):
            refused = argument.refuse(value)
            if refused:
                raise self._argument_error(label, refused, value)

    def matched(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Any]:
        """Return arguments in the order of the parameters.

        Raises:
            ArityError: There are too few or too many, or a keyword is no parameter.
        """
        if not kwargs and len(args) == len(self._labels):
            return list(args)
        matched = self._prototype.bind(args, kwargs)
        if isinstance(matched, str):
            raise self._arity_error(matched)
        return [matched[label] for label in self._labels]

    def _arity_error(self, reason: str) -> ArityError:
        expected, _, received = reason.removeprefix("expected ").partition(", got ")
        return ArityError(
            f"{self._name} was called with the wrong arguments",
            expected=expected,
            received=received,
            where=f"call of {self._name}",
            remedy=str(self._prototype),
        )

    def _argument_error(self, label: str, refused: Refusal, value: Any) -> ArgumentError:
        return refused.error(
            f"{self._name} does not accept {label}",
            expected=refused.expected,
            received=refused.received,
            where=f"{label} of {self._prototype}",
            remedy=refused.remedy or (self._mapped.remedy(value) if self._mapped else None),
        )

    def _bound_with_fields(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> BoundFunction:
        """Return what ``_bound`` does, also where there are dicts in place of structures."""
        if not any(isinstance(value, dict) for value in (*args, *kwargs.values())):
            return self._bound(args, kwargs)
        from noodle.bridges.native.structure_fields import bound_with_fields, structure_rule

        bound = self._prototype.bind(args, kwargs)
        assert isinstance(bound, dict)
        keys = [*range(len(args)), *kwargs]
        labels = [*list(bound)[: len(args)], *kwargs]
        rules = {
            key: structure_rule(self._arguments[self._labels.index(label)])
            for key, label in zip(keys, labels, strict=True)
            if isinstance(bound[label], dict)
        }
        return bound_with_fields(self._bound, args, kwargs, rules)

    def _bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> BoundFunction:
        values = self._prototype.bind(args, kwargs)
        assert isinstance(values, dict)
        converters: list[Converter | None] = []
        notes = list(self._notes)
        for label, argument in zip(self._labels, self._arguments, strict=True):
            python_type = type(values[label])
            converters.append(argument.converter(python_type, compiled=self._compiled))
            note = argument.note(python_type)
            notes += [f"{label}: {note}"] if note else []
        names = [label for label in self._labels if label in kwargs]
        target = self._target([values[label] for label in self._labels], names, converters)
        return BoundFunction(target, self.translate, notes=tuple(notes))

    @abstractmethod
    def _target(
        self, values: list[Any], named: list[str], converters: list[Converter | None]
    ) -> Callable[..., Any]:
        """Return what a warm call jumps to.

        Args:
            values: The arguments of the call that is planned, in order.
            named: Those that come by keyword.
            converters: What makes each argument ready.
        """


class NativeFunction(DeclaredFunction):
    """A function of a library in this process.

    Args:
        library: The library's name in messages.
        declaration: What the function takes and gives.
        entry: cffi's callable for it.
        compiled: Whether the entry is of a compiled extension.
        notes: What ``explain`` should tell about how it is called.
        loop: What calls it for the elements of arrays; None where nothing does.
        types: The types of the library, for structures and callbacks.
    """

    def __init__(
        self,
        library: str,
        declaration: Declaration,
        entry: Callable[..., Any],
        *,
        compiled: bool,
        notes: tuple[str, ...] = (),
        loop: ArrayLoop | None,
        types: LibraryTypes | None = None,
    ) -> None:
        rules = partial(types.rule, function=declaration.name) if types else argument_of
        super().__init__(library, declaration, rules, compiled=compiled, notes=notes, loop=loop)
        self._entry = entry
        result = types.result if types else converter_of
        self._result = result(declaration.result, self._name)

    def _target(
        self, values: list[Any], named: list[str], converters: list[Converter | None]
    ) -> Callable[..., Any]:
        entry = lending(self._entry, self._arguments, values, converters)
        return adapted(entry, self._labels, named, converters, self._result)


class NativeFunctions:
    """The declared functions of a library, each made when it is first asked for.

    Args:
        contents: What there is.
        make: Makes the function of a declaration, unless it has further arguments of unknown types.
        library: The library's name in messages.
    """

    def __init__(
        self,
        contents: Contents,
        make: Callable[[Declaration], DeclaredFunction] | None = None,
        library: str = "",
    ) -> None:
        self._make = make
        self._library = library
        self.contents = contents
        self._made: dict[tuple[str, str], TakesTypes] = {}

    def get(self, name: str) -> TakesTypes | None:
        """Return the function of that name, always the same one, or None."""
        function = self._made.get((name, ""))
        declaration = self.contents.function(name) if function is None and self._make else None
        if self._make and declaration:
            function = self._made.setdefault((name, ""), self._function(declaration, self._make))
        return function

    def _function(
        self, declaration: Declaration, make: Callable[[Declaration], DeclaredFunction]
    ) -> TakesTypes:
        declare = partial(self._declared, declaration.as_in_c, make)
        if declaration.variadic:
            return VariadicFunction(self._library, declaration, declare)
        function = make(declaration)
        function.declare = declare if declaration.fixed else None
        return function

    def _declared(
        self,
        declaration: Declaration,
        make: Callable[[Declaration], DeclaredFunction],
        types: Any,
    ) -> TakesTypes:
        """Return a function with further arguments of these types, always the same one."""
        from noodle.bridges.native.headers.reading import read_further
        from noodle.bridges.native.options import further_types

        text = further_types(VARIADIC, types)
        known = self._made.get((declaration.name, text))
        if known is None:
            known = make(read_further(declaration, text, self.contents))
            known.declare = partial(self._declared, declaration, make)
            known.types = text
        return self._made.setdefault((declaration.name, text), known)


def lending(
    entry: Callable[..., Any],
    rules: Sequence[Argument],
    values: Sequence[Any],
    converters: list[Converter | None],
) -> Callable[..., Any]:
    """Return the entry for arguments among which are functions, else itself.

    Args:
        entry: What is called with addresses.
        rules: The rules of the parameters.
        values: The arguments of the call that is planned.
        converters: What makes each argument ready; those of functions are taken out.
    """
    pairs = enumerate(zip(rules, values, strict=True))
    lent = [(i, rule) for i, (rule, value) in pairs if rule.lends(type(value))]
    if not lent:
        return entry
    from noodle.bridges.native.callback_arguments import lending_functions

    for index, _ in lent:
        converters[index] = None
    return lending_functions(entry, lent)


def adapted(
    entry: Callable[..., Any],
    labels: list[str],
    named: list[str],
    converters: list[Converter | None],
    result: Converter | None,
) -> Callable[..., Any]:
    """Return the callable that converts arguments and result and puts keywords in order.

    It is compiled for the signature: a loop over the converters would double the cost of a call.
    Only positions and quoted names enter the text.

    Args:
        entry: What is called; returned itself where there is nothing to do.
        labels: The names of the parameters.
        named: Those whose arguments come by keyword.
        converters: What makes each argument ready, or None.
        result: What converts the result, or None.
    """
    if not (named or result or any(converters)):
        return entry
    positional = [label for label in labels if label not in named]
    scope: dict[str, Any] = {"entry": entry, "result": result}
    parts = []
    for index, (label, converter) in enumerate(zip(labels, converters, strict=True)):
        value = f"named[{label!r}]" if label in named else f"a{positional.index(label)}"
        scope[f"c{index}"] = converter
        parts.append(f"c{index}({value})" if converter else value)
    parameters = [f"a{index}" for index in range(len(positional))]
    parameters += ["/"] * bool(parameters) + ["**named"] * bool(named)
    call = f"entry({', '.join(parts)})"
    text = f"lambda {', '.join(parameters)}: {f'result({call})' if result else call}"
    made: Callable[..., Any] = eval(compile(text, "<native call>", "eval"), scope)
    return made


def _python_function(
    function: DeclaredFunction, library: str, declaration: Declaration
) -> Callable[..., Any]:
    bound: dict[tuple[type, ...], BoundFunction] = {}

    def native(*args: Any, **kwargs: Any) -> Any:
        types = tuple(map(type, args))
        ready = None if kwargs else bound.get(types)
        if ready is None:
            call = Call(library, declaration.name, args, kwargs, Signature.of(args, kwargs))
            ready = function.bind(call)
            if not kwargs:
                bound[types] = ready
        try:
            return ready.callable(*args, **kwargs)
        except Exception as error:
            translated = function.translate(error, args, kwargs)
            if translated is error:
                raise
            raise translated from error

    native.__name__ = native.__qualname__ = declaration.name
    native.__module__ = library
    native.__doc__ = f"{declaration.c_text}\n\nC function of {library}."
    native.__signature__ = declaration.python_signature()  # type: ignore[attr-defined]
    return native
