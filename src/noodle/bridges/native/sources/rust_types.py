"""Rust's types as they stand in signatures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from noodle.bridges.native.sources.rust_tokens import RustSyntaxError, RustToken, behind_bracket

__all__ = ["UNIT", "RustType", "TypeReader"]


@dataclass(frozen=True, slots=True)
class RustType:
    """A type.

    Args:
        kind: ``path``, ``pointer``, ``reference``, ``slice``, ``array``, ``tuple``, ``function``
            or ``other``.
        text: As written.
        name: The last part of a path; the length of an array; the ABI of a function.
        inner: What it is made of: generic arguments, what is pointed to, items, and of a function
            the parameters and the result.
        mutable: Whether what is pointed to may be written.
    """

    kind: str
    text: str
    name: str = ""
    inner: tuple[RustType, ...] = ()
    mutable: bool = False

    @property
    def is_unit(self) -> bool:
        """Whether it is ``()`` or ``!``, which nothing is returned for."""
        return self.text == "!" or (self.kind == "tuple" and not self.inner)


UNIT = RustType("tuple", "()")


class TypeReader:
    """Reads types from tokens.

    Args:
        text: The text of the file.
        tokens: Its tokens.
        index: Where to begin; afterwards, the index behind what was read.
    """

    def __init__(self, text: str, tokens: Sequence[RustToken], index: int) -> None:
        self._text = text
        self._tokens = tokens
        self.index = index

    def peek(self) -> str:
        """Return the next token's text, or ``""`` at the end."""
        return self._tokens[self.index].text if self.index < len(self._tokens) else ""

    def take(self, *wanted: str) -> bool:
        """Pass over the next token where it is one of these, and say whether it was."""
        found = self.peek() in wanted
        self.index += found
        return found

    def read(self) -> RustType:
        """Read a type.

        Raises:
            RustSyntaxError: There is none.
        """
        start = self.index
        kind, name, inner, mutable = self._parts()
        return RustType(kind, self._written(start), name, inner, mutable)

    def _written(self, start: int) -> str:
        if self.index <= start or self.index > len(self._tokens):
            raise RustSyntaxError("a type is missing")
        return self._text[self._tokens[start].start : self._tokens[self.index - 1].end]

    def _parts(self) -> tuple[str, str, tuple[RustType, ...], bool]:
        if self.take("&"):
            self._lifetime()
            mutable = self.take("mut")
            return "reference", "", (self.read(),), mutable
        if self.take("*"):
            mutable = self.take("mut")
            self.take("const")
            return "pointer", "", (self.read(),), mutable
        if self.peek() == "[":
            return self._items()
        if self.peek() == "(":
            return self._tuple()
        if self.take("!"):
            return "other", "", (), False
        if self.peek() in ("for", "unsafe", "extern", "fn"):
            return self._function()
        if self.peek() in ("dyn", "impl"):
            return self._other()
        return self._path()

    def _lifetime(self) -> None:
        if self.index < len(self._tokens) and self._tokens[self.index].kind == "lifetime":
            self.index += 1

    def _items(self) -> tuple[str, str, tuple[RustType, ...], bool]:
        end = behind_bracket(self._tokens, self.index)
        self.index += 1
        item = self.read()
        length = ""
        if self.take(";"):
            length = self._text[self._tokens[self.index].start : self._tokens[end - 2].end]
        self.index = end
        return ("array" if length else "slice"), length, (item,), False

    def _tuple(self) -> tuple[str, str, tuple[RustType, ...], bool]:
        end = behind_bracket(self._tokens, self.index)
        inner = self._listed(end - 1)
        self.index = end
        return "tuple", "", inner, False

    def _listed(self, end: int) -> tuple[RustType, ...]:
        """Read types between commas up to an index; of ``name: type`` the type."""
        self.index += 1
        found = []
        while self.index < end:
            if self.index + 1 < end and self._tokens[self.index + 1].text == ":":
                self.index += 2
            found.append(self.read())
            if not self.take(","):
                break
        return tuple(found)

    def _function(self) -> tuple[str, str, tuple[RustType, ...], bool]:
        if self.take("for"):
            self._angles()
        self.take("unsafe")
        abi = "Rust"
        if self.take("extern"):
            abi = "C"
            if self._tokens[self.index].kind == "string":
                abi = self._tokens[self.index].text.strip('"')
                self.index += 1
        if not self.take("fn"):
            raise RustSyntaxError("a type of a function was expected")
        end = behind_bracket(self._tokens, self.index)
        parameters = self._listed(end - 1)
        self.index = end
        result = self.read() if self.take("->") else UNIT
        return "function", abi, (*parameters, result), False

    def _other(self) -> tuple[str, str, tuple[RustType, ...], bool]:
        while self.peek() not in (",", ")", "{", ";", ">", "where", "=", ""):
            self.index += 1
        return "other", "", (), False

    def _path(self) -> tuple[str, str, tuple[RustType, ...], bool]:
        self.take("::")
        name, inner = "", tuple[RustType, ...]()
        goes_on = True
        while goes_on and self.index < len(self._tokens):
            if self._tokens[self.index].kind != "word":
                break
            name = self.peek()
            self.index += 1
            goes_on = self.take("::")
            if self.peek() == "<":
                inner = self._arguments()
                goes_on = self.take("::")
        if not name:
            return self._other()
        return "path", name, inner, False

    def _arguments(self) -> tuple[RustType, ...]:
        self.index += 1
        found = []
        while not self.take(">"):
            if self._tokens[self.index].kind == "lifetime":
                self.index += 1
            else:
                found.append(self.read())
            if not self.take(",") and self.peek() != ">":
                raise RustSyntaxError("a list of types does not end")
        return tuple(found)

    def _angles(self) -> None:
        depth = 0
        while True:
            depth += (self.peek() == "<") - (self.peek() == ">")
            self.index += 1
            if not depth:
                return
            if self.index >= len(self._tokens):
                raise RustSyntaxError("a list of types does not end")

    def skip_generics(self) -> str:
        """Pass over ``<…>`` where it stands next, and return it as written."""
        if self.peek() != "<":
            return ""
        start = self.index
        self._angles()
        return self._written(start)
