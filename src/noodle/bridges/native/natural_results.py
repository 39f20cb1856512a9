"""What natural calls make of results, outs and failures."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from noodle.bridges.native.annotations import BYTES, RESULT
from noodle.bridges.native.declarations import Declaration
from noodle.bridges.native.failed_calls import Failures
from noodle.bridges.native.functions import DeclaredFunction
from noodle.bridges.native.native_types import NativeType
from noodle.bridges.native.natural_outs import typed_content
from noodle.bridges.native.natural_plans import NaturalPlan, Out
from noodle.bridges.native.pointers import AnyPointer
from noodle.bridges.native.resources import Destructor, Ownership
from noodle.bridges.native.results import text_of
from noodle.errors import NoodleError
from noodle.values import INTEGER_RANGES

__all__ = ["Companions", "NaturalResults"]


class Companions(Protocol):
    """What a natural function asks of its library."""

    def declaration(self, name: str) -> Declaration:
        """Return the declaration of a function."""

    def function(self, name: str) -> Callable[..., Any]:
        """Return a function as the program calls it."""

    def release(self, name: str) -> Callable[[Any], Any]:
        """Return a destructor that takes a raw address."""

    def ready(self) -> bool:
        """Return whether a destructor can be called now."""

    def constant(self, code: int, result: NativeType) -> str | None:
        """Return the library's name for a number that such a result is, or None."""


class NaturalResults(DeclaredFunction):
    """The half of an annotated function that looks at what a call has given."""

    _plan: NaturalPlan
    _companions: Companions
    _failures: Failures
    _destructors: dict[str, Destructor]
    _in_worker = False

    @abstractmethod
    def _read(self, free: str) -> Callable[[Any], bytes | None]:
        """Return what gives the bytes of a text, which is released then where it has to be."""

    @abstractmethod
    def _pointer(
        self, raw: Any, pointee: str, owners: tuple[Any, ...], ownership: Ownership | None
    ) -> AnyPointer:
        """Return the pointer for an address that is not null."""

    @abstractmethod
    def _plain(self, native: NativeType) -> Callable[[Any], Any] | None:
        """Return what turns what a call gave into the caller's, where nobody owns it."""

    def _result_converter(self) -> Callable[..., Any] | None:
        native, free = self._plan.declaration.result, self._plan.free
        if native.type.name in ("str", "bytes"):
            encoding = BYTES if native.type.name == "bytes" else self._plan.encoding(RESULT)
            return self._text(encoding, free)
        plain = self._plain(native)
        if native.type.name == "ptr":
            return self._pointer_maker(native.pointee, free, plain)
        return (lambda raw, owners: plain(raw)) if plain else None

    def _out_converter(self, out: Out) -> Callable[..., Any] | None:
        if out.kind == "text":
            return self._text(out.encoding, out.free)
        if out.kind == "pointer":
            target = self._plan.declaration.parameters[out.index].type.target
            plain = self._plain(target) if target else None
            return self._pointer_maker(out.pointee, out.free, plain)
        if out.kind == "buffer":
            content = typed_content(out, self._name)
            return lambda raw, owners: content(raw)
        return None

    def _text(self, encoding: str, free: str) -> Callable[..., Any]:
        read, name = self._read(free), self._name
        if encoding == BYTES:
            return lambda raw, owners: read(raw)
        return lambda raw, owners: text_of(read(raw), name, encoding)

    def _pointer_maker(
        self, pointee: str, free: str, plain: Callable[[Any], Any] | None
    ) -> Callable[..., Any]:
        destructor = self._destructor(free) if free else None

        def pointer(raw: Any, owners: tuple[Any, ...]) -> Any:
            if not raw:
                return None
            if plain and not destructor and not owners:
                return plain(raw)
            ownership = Ownership(destructor, owners) if destructor else None
            return self._pointer(raw, pointee, owners, ownership)

        return pointer

    def _destructor(self, name: str) -> Destructor:
        if name not in self._destructors:
            companions = self._companions
            self._destructors[name] = Destructor(
                name,
                lambda raw: companions.release(name)(raw),
                lambda resource: companions.function(name)(resource),
                finalizes=name in self._plan.finalized,
                same_thread=bool(self._plan.annotations.same_thread),
                ready=companions.ready,
            )
        return self._destructors[name]

    def _failed(
        self, result: Any, errno: int, arguments: Mapping[str, Any], left: Mapping[int, Any]
    ) -> BaseException:
        error = self._failures.failed(result, errno, arguments, left)
        self._release(left)
        is_text = self._plan.declaration.result.type.name in ("str", "bytes")
        if self._plan.free and result and self._is_released(is_text=is_text):
            self._companions.release(self._plan.free)(result)
        return error

    def _judged(
        self, result: Any, arguments: Mapping[str, Any], left: Mapping[int, Any]
    ) -> BaseException | None:
        """Return what a function of the program's says to raise; what it raises counts too."""
        judge = self._plan.annotations.errors
        assert callable(judge)
        try:
            wrong = judge(result, arguments)
        except Exception as error:
            wrong = error
        if wrong is not None:
            self._release(left)
        return wrong

    def _release(self, left: Mapping[int, Any]) -> None:
        """Release what a failed call has left in its outs, as far as that is said."""
        for out in self._plan.outs:
            raw = left.get(out.index)
            if raw and out.free and self._is_released(is_text=out.kind == "text"):
                self._companions.release(out.free)(raw)

    def _is_released(self, *, is_text: bool) -> bool:
        """Return whether a failed call's text or pointer is released. A worker's texts were."""
        return not self._in_worker if is_text else bool(self._plan.annotations.free_on_failure)

    def _message_of(self, name: str) -> Callable[..., str | None]:
        """Return what asks the library's own function for the text of a failure."""
        wanted = self._companions.declaration(name).parameters
        kind = wanted[0].type if len(wanted) == 1 else None

        def message(
            code: int | None, arguments: Mapping[str, Any], pointers: Mapping[int, Any]
        ) -> str | None:
            subject = code
            if kind is None or kind.type.name not in INTEGER_RANGES:
                subject = self._subject(kind.pointee, arguments, pointers) if kind else None
            if subject is None:
                return None
            with suppress(NoodleError):
                text = self._companions.function(name)(subject)
                return text if isinstance(text, str) else None
            return None

        return message

    def _subject(
        self, pointee: str, arguments: Mapping[str, Any], pointers: Mapping[int, Any]
    ) -> Any:
        """Return the object that explains a failure: an argument, or what came back."""
        for label, parameter in zip(self._labels, self._plan.declaration.parameters, strict=True):
            value = arguments.get(label)
            if value is not None and parameter.type.pointee == pointee:
                return value
        for out in self._plan.outs:
            raw = pointers.get(out.index)
            if raw and out.kind == "pointer" and out.pointee == pointee:
                return self._pointer(raw, pointee, (), None)
        return None
