"""Functions whose lengths, out-parameters, errors and ownership are annotated."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import Parameter as PythonParameter
from typing import Any

from noodle.bridges.native.argument_rules import Argument, Converter
from noodle.bridges.native.arguments import argument_of
from noodle.bridges.native.callback_arguments import lending_functions
from noodle.bridges.native.declarations import DeclaredParameter
from noodle.bridges.native.failed_calls import Failures, condition, reads_errno
from noodle.bridges.native.functions import DeclaredFunction, NativeFunction
from noodle.bridges.native.library_types import LibraryTypes
from noodle.bridges.native.memory_arguments import is_address
from noodle.bridges.native.native_types import NativeType
from noodle.bridges.native.natural_arguments import (
    counted_converter,
    number_parameter,
    rule_maker,
)
from noodle.bridges.native.natural_code import CallParts, write_call
from noodle.bridges.native.natural_outs import owned_content
from noodle.bridges.native.natural_plans import NaturalPlan
from noodle.bridges.native.natural_results import Companions, NaturalResults
from noodle.bridges.native.pointers import AnyPointer, Pointer, points_to
from noodle.bridges.native.resources import (
    BorrowedPointer,
    Ownership,
    Releasable,
    Resource,
    is_dependent,
)
from noodle.bridges.native.structure_arrays import UNBOUNDED, bytes_of
from noodle.bridges.native.structure_objects import StructureObject
from noodle.bridges.native.structure_pointers import FieldsHere, with_fields
from noodle.bridges.native.vectorized_loops import ArrayLoop
from noodle.calls import BoundFunction, Call, Function
from noodle.errors import ArgumentError, ArgumentRangeError, ArgumentTypeError, ArityError

__all__ = ["NaturalCalls", "NaturalFunction"]


class NaturalCalls(NaturalResults):
    """What natural functions have in common, wherever their library is loaded."""

    def _become_natural(self, library: str, plan: NaturalPlan, companions: Companions) -> None:
        """Take what is done around the calls; the last step of construction."""
        self._plan = plan
        self._companions = companions
        self._prototype = plan.prototype()
        self._notes = (*self._notes, *plan.notes)
        self._numbers = {
            place: self._rule_of(number_parameter(plan.declaration.parameters[place], kind), place)
            for place, kind in _numbers(plan).items()
        }
        message = plan.annotations.message
        told = self._message_of(message) if message else None
        self._failures = Failures(library, plan, companions.constant, told)
        self._destructors = {}
        self._raw.__signature__ = _signature(plan)  # type: ignore[attr-defined]
        self._raw.__doc__ = f"{self._prototype}\n\n{self._raw.__doc__}"

    def _rule_of(self, parameter: DeclaredParameter, place: int) -> Argument:
        return argument_of(parameter, self._labels[place])

    @property
    def mapped(self) -> Function | None:
        """What calls it for the elements of arrays; None where each call has to be looked at."""
        return self._mapped if self._plan.gives_what_it_returns else None

    def bind(self, call: Call) -> BoundFunction:
        """Make the function ready for calls of this signature; see ``DeclaredFunction``."""
        if self._plan.gives_what_it_returns:
            return super().bind(call)
        self.check(call.args, call.kwargs)
        return self._bound_with_fields(call.args, call.kwargs)

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Check arguments, types and values; see ``DeclaredFunction``."""
        matched = self._prototype.bind(args, kwargs)
        if isinstance(matched, str):
            raise self._arity_error(matched)
        returns_outs = self._returns_outs(matched)
        for index, label in enumerate(self._labels):
            if label in matched:
                refused = self._rule_at(index, returns_outs=returns_outs).refuse(matched[label])
                if refused:
                    raise self._argument_error(label, refused, matched[label])

        for length, arrays in self._plan.lengths.items():
            if self._labels[length] in matched and length not in self._plan.trusted:
                for array in arrays:
                    self._check_length(array, length, matched)

    def _check_length(self, array: int, length: int, matched: Mapping[str, Any]) -> None:
        value = matched.get(self._labels[array])
        if isinstance(value, (type(None), str)) or self._is_pointer(value):
            return
        size = 1 if isinstance(value, dict) else bytes_of(value) // self._plan.item_size(array)
        stated = matched[self._labels[length]]
        if stated > size:
            raise self._short(array, value, size, length, stated)

    def _returns_outs(self, matched: Mapping[str, Any]) -> bool:
        """Return whether the outs are left out of a call, which gives all or none of them."""
        outs = [self._labels[out.index] for out in self._plan.outs if not out.inout]
        given = [label for label in outs if label in matched]
        lacking = [label for label in outs if label not in matched]
        if given:
            needed = (self._labels[out.length] for out in self._plan.outs if out.length >= 0)
            lacking += [label for label in needed if label not in matched]
        if given and lacking:
            raise ArityError(
                f"{self._name} was called with only some of what it gives back",
                expected=f"all of {', '.join([*given, *lacking])}, or none of them",
                received=", ".join(given),
                where=f"call of {self._name}",
                remedy=str(self._prototype),
            )
        return not given

    def _rule_at(self, index: int, *, returns_outs: bool) -> Argument:
        number = self._numbers.get(index)
        is_inout = any(out.index == index for out in self._plan.outs if out.inout)
        return number if number and (returns_outs or is_inout) else self._arguments[index]

    def _bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> BoundFunction:
        matched = self._prototype.bind(args, kwargs)
        assert isinstance(matched, dict)
        returns_outs = self._returns_outs(matched)
        given = {i: matched[label] for i, label in enumerate(self._labels) if label in matched}
        rules = {i: self._rule_at(i, returns_outs=returns_outs) for i in given}
        positional = list(matched)[: len(args)]
        sources = {
            i: f"a{positional.index(label)}" if label in positional else f"named[{label!r}]"
            for i, label in enumerate(self._labels)
            if i in given
        }
        parameters = [f"a{i}" for i in range(len(args))] + ["/"] * bool(args)
        parts = self._parts(given, rules, returns_outs=returns_outs)
        parts.sources = sources
        parts.parameters = ", ".join([*parameters, *["**named"] * bool(kwargs)])
        notes = [*self._notes, *_notes_of(self._labels, given, rules)]
        return BoundFunction(write_call(parts), self.translate, notes=tuple(notes))

    def _parts(
        self, given: Mapping[int, Any], rules: Mapping[int, Argument], *, returns_outs: bool
    ) -> CallParts:
        plan = self._plan
        claims = self._claims(given)
        converters = {i: self._converter(rule, type(given[i])) for i, rule in rules.items()}
        converters |= {i: self._claim(i) for i in claims}
        shared = frozenset(i for i in given if rules[i].shares(type(given[i])))
        errors = plan.annotations.errors
        return CallParts(
            plan=plan,
            entry=self._entry_of(given, rules, returns_outs=returns_outs),
            sources={},
            parameters="",
            converters=converters,
            claims=claims,
            owners=[i for i, v in given.items() if is_dependent(type(v)) and i not in claims],
            returns_outs=returns_outs,
            in_worker=self._in_worker,
            shared=shared,
            measurable=self._measurable(given),
            measures=self._measures(given),
            counted=self._counted(shared, rules),
            result=self._result_converter(),
            outs={out.index: self._out_converter(out) for out in plan.outs},
            failure=condition(plan, plan.declaration.result, in_worker=self._in_worker),
            failed=self._failed,
            judge=self._judged if callable(errors) else None,
            needs_errno=reads_errno(plan),
            unequal=self._unequal,
            short=self._short,
            function=self._name,
        )

    def _converter(self, rule: Argument, python_type: type) -> Converter | None:
        """Return what makes a value ready; functions are lent by the entry in this process."""
        if rule.lends(python_type) and not self._in_worker:
            return None
        return rule.converter(python_type, compiled=self._compiled)

    @abstractmethod
    def _entry_of(
        self, given: Mapping[int, Any], rules: Mapping[int, Argument], *, returns_outs: bool
    ) -> Callable[..., Any]:
        """Return what a call of these arguments goes through."""

    def _claims(self, given: Mapping[int, Any]) -> list[int]:
        freed = self._plan.annotations.frees or ()
        return [
            i for i, v in given.items() if self._labels[i] in freed and isinstance(v, Releasable)
        ]

    def _claim(self, index: int) -> Converter:
        pointee = self._plan.declaration.parameters[index].type.pointee

        def claim(value: Releasable) -> Any:
            if not points_to(value, pointee):
                raise TypeError
            return self._sent_address(Releasable.claimed(value))

        return claim

    def _sent_address(self, raw: Any) -> Any:
        return raw

    def _measurable(self, given: Mapping[int, Any]) -> frozenset[int]:
        """Return the arrays whose length is known; a pointer's length has to be given."""
        found = set()
        for length, arrays in self._plan.lengths.items():
            for array in arrays:
                value = given.get(array)
                if value is None:
                    continue
                if not self._is_pointer(value):
                    found.add(array)
                elif length not in given:
                    raise self._unmeasurable(array, length, value)
        return frozenset(found)

    def _measures(self, given: Mapping[int, Any]) -> dict[int, Callable[[Any], int]]:
        """Return what gives the bytes of structures and of arrays of them."""
        return {
            array: partial(self._bytes_of, array, length, length in given)
            for length, arrays in self._plan.lengths.items()
            for array in arrays
            if array in self._plan.structures or isinstance(given.get(array), StructureObject)
        }

    def _bytes_of(self, array: int, length: int, is_given: bool, value: Any) -> int:
        found = bytes_of(value)
        if found == UNBOUNDED and not is_given:
            raise self._unmeasurable(array, length, value)
        return found

    def _counted(
        self, shared: frozenset[int], rules: Mapping[int, Argument]
    ) -> dict[int, Callable[[Any, int], Any]]:
        """Return what compares arrays with their lengths while it makes their memory ready."""
        found = {} if self._in_worker else {i: counted_converter(rules[i]) for i in shared}
        return {i: converter for i, converter in found.items() if converter}

    @staticmethod
    def _is_pointer(value: Any) -> bool:
        return isinstance(value, AnyPointer) or is_address(value)

    def _unmeasurable(self, array: int, length: int, value: Any) -> ArgumentTypeError:
        label, counted = self._labels[array], self._labels[length]
        return ArgumentTypeError(
            f"{self._name} cannot tell the length of {label}",
            expected=f"an array or bytes, or {counted} as well",
            received=repr(value),
            where=f"{label} of {self._prototype}",
            remedy=f"add {counted}=…",
        )

    def _short(self, array: int, value: Any, size: int, length: int, stated: int) -> ArgumentError:
        label, counted = self._labels[array], self._labels[length]
        inferred = "; infer=False where it is not" if length in self._plan.inferred else ""
        return self._refused(array, value) or ArgumentRangeError(
            f"{self._name}: {label} is shorter than {counted} says",
            expected=f"at least {stated} items",
            received=f"{size} items",
            where=f"{label} of {self._prototype}",
            remedy=f"leave {counted} out: it is the length of {label}{inferred}",
        )

    def _refused(self, array: int, value: Any) -> ArgumentError | None:
        """Return why an array does not fit at all, which goes before what its length is."""
        refused = self._arguments[array].refuse(value)
        return self._argument_error(self._labels[array], refused, value) if refused else None

    def _unequal(
        self, first: int, one: Any, size: int, array: int, value: Any, other: int
    ) -> ArgumentError:
        refused = self._refused(first, one) or self._refused(array, value)
        return refused or ArgumentRangeError(
            f"{self._name} needs arrays of one length",
            expected=f"{size} items, as {self._labels[first]} has",
            received=f"{other} items",
            where=f"{self._labels[array]} of {self._prototype}",
        )


class NaturalFunction(NaturalCalls, NativeFunction):
    """An annotated function of a library in this process.

    Args:
        library: The library's name in messages.
        plan: What is done around its calls.
        entry: cffi's callable for it.
        companions: The other functions of its library.
        compiled: Whether the entry is of a compiled extension.
        loop: What calls it for the elements of arrays.
        types: The types of its library.
        notes: What ``explain`` should tell about how it is called.
    """

    def __init__(
        self,
        library: str,
        plan: NaturalPlan,
        entry: Callable[..., Any],
        companions: Companions,
        *,
        compiled: bool,
        loop: ArrayLoop,
        types: LibraryTypes,
        notes: tuple[str, ...] = (),
    ) -> None:
        self._types = types
        rules = rule_maker(plan, types)
        DeclaredFunction.__init__(
            self, library, plan.declaration, rules, compiled=compiled, notes=notes, loop=loop
        )
        self._entry = entry
        self._become_natural(library, plan, companions)

    def _entry_of(
        self, given: Mapping[int, Any], rules: Mapping[int, Argument], *, returns_outs: bool
    ) -> Callable[..., Any]:
        lent = [(i, rules[i]) for i, value in given.items() if rules[i].lends(type(value))]
        return lending_functions(self._entry, lent) if lent else self._entry

    def _plain(self, native: NativeType) -> Callable[[Any], Any] | None:
        return self._types.result(native, self._name)

    def _read(self, free: str) -> Callable[[Any], bytes | None]:
        return owned_content(self._companions.release(free) if free else None)

    def _pointer(
        self, raw: Any, pointee: str, owners: tuple[Any, ...], ownership: Ownership | None
    ) -> AnyPointer:
        if not owners and not ownership:
            return Pointer(raw, pointee, self._name)
        if ownership:
            made: AnyPointer = Resource(raw, pointee, self._name, ownership)
        else:
            ends = bool(self._plan.annotations.borrowed)
            made = BorrowedPointer(raw, pointee, self._name, owners, ends=ends)
        return with_fields(made, self._types.structure(pointee), FieldsHere)


def _numbers(plan: NaturalPlan) -> dict[int, str]:
    """Return the types of the numbers that calls give in place of pointers, by place."""
    parameters = plan.prototype().parameters
    found = [out.index for out in plan.outs if out.inout]
    found += [out.length for out in plan.outs if out.counter]
    return {place: parameters[place].type.name for place in found}


def _notes_of(
    labels: Sequence[str], given: Mapping[int, Any], rules: Mapping[int, Argument]
) -> list[str]:
    notes = [(labels[i], rule.note(type(given[i]))) for i, rule in rules.items()]
    return [f"{label}: {note}" for label, note in notes if note]


def _signature(plan: NaturalPlan) -> Any:
    """Return the signature that ``help()`` shows: what may be left out is by keyword only."""
    full = plan.declaration.python_signature()
    omitted = plan.omitted
    listed = list(full.parameters.values())
    given = [p for i, p in enumerate(listed) if i not in omitted]
    optional = [
        p.replace(kind=PythonParameter.KEYWORD_ONLY, default=None, annotation=PythonParameter.empty)
        for i, p in enumerate(listed)
        if i in omitted
    ]
    return full.replace(parameters=[*given, *optional], return_annotation=PythonParameter.empty)
