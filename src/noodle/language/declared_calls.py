"""Calls of foreign functions against what their libraries declare."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from noodle.errors import LanguageError, NoodleTypeError
from noodle.language import tree
from noodle.language.source_text import SourceText
from noodle.language.types import Types
from noodle.stubs.model import StubFunction, StubParameter, StubSignature

__all__ = ["DeclaredCall"]


class _Mismatch(NamedTuple):
    """Why a call does not fit a signature.

    Args:
        place: What is wrong: the call, or an argument.
        summary: The error's first line.
        expected: What would fit.
        received: What came.
    """

    place: tree.Node
    summary: str
    expected: str
    received: str


class DeclaredCall:
    """A call of a function that a library declares.

    Args:
        source: The program's text.
        types: What is known of its types.
        function: The function.
        node: The call.
    """

    def __init__(
        self, source: SourceText, types: Types, function: StubFunction, node: tree.Call
    ) -> None:
        self._source = source
        self._types = types
        self._function = function
        self._node = node
        self._positional = [a.value for a in node.arguments if a.name is None]
        self._named = {a.name.text: a.value for a in node.arguments if a.name}

    def errors(self) -> Iterator[LanguageError]:
        """Yield why the call fits none of the ways to call the function."""
        if self._function.undeclared:
            yield self._undeclared()
            return
        found = []
        for signature in self._function.signatures:
            mismatch = self._mismatch(signature)
            if mismatch is None:
                return
            found.append(mismatch)
        place, summary, expected, received = found[0]
        if len(found) > 1:
            place, summary = self._node, f"`{self._function.name}` does not take these arguments"
            expected = f"one of the {len(found)} ways to call it"
        shown = self._function.shown
        yield self._source.error(
            NoodleTypeError,
            summary,
            place.start,
            place.end,
            expected=expected,
            received=received,
            remedy=f"call it as `{shown}`",
        )

    def _undeclared(self) -> LanguageError:
        name = self._function.name
        return self._source.error(
            NoodleTypeError,
            f"`{name}` cannot be called before {self._function.undeclared} are declared",
            self._node.start,
            self._node.end,
            expected="a handle with types, or types in the import",
            received=self._function.declared or f"`{self._function.shown}`",
            remedy=f'call {name}.options(variadic="int, const char *"), '
            "with the types of this call",
        )

    def _mismatch(self, signature: StubSignature) -> _Mismatch | None:
        prototype = signature.prototype(self._function.name)
        bound = prototype.bind(self._positional, self._named)
        if isinstance(bound, str):
            expected, _, received = bound.removeprefix("expected ").partition(", got ")
            summary = f"`{self._function.name}` does not take these arguments"
            return _Mismatch(self._node, summary, expected, received)
        parameters = {p.name or f"argument {i}": p for i, p in enumerate(signature.parameters, 1)}
        for name, argument in bound.items():
            parameter = parameters.get(name)
            why = parameter and self._refusal(parameter, argument)
            if why:
                summary = f"`{self._function.name}` does not take this as `{name}`"
                return _Mismatch(argument, summary, *why)
        return None

    def _refusal(
        self, parameter: StubParameter, argument: tree.Expression
    ) -> tuple[str, str] | None:
        """Return what was expected and what came, or None where the argument may fit."""
        if parameter.type is not None:
            why = self._types.refusal(parameter.type, argument)
            if not why:
                return None
            expected, _, received = why.removeprefix("expected ").partition(", got ")
            return expected, received
        kinds, known = parameter.kinds, self._types.of(argument)
        if kinds is None or known is None or known in kinds:
            return None
        text = self._source.text[argument.start : argument.end]
        shown = f"{known} `{text}`" if len(text) < 40 and "\n" not in text else known
        return parameter.annotation, shown
