"""The declarations of the functions and variables that a C or C++ source defines.

Only what their types need is handed to the reader of C prototypes: most of what headers
bring is then never read, and cannot be in the way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from noodle.bridges.native.failures import SYMBOLS
from noodle.bridges.native.sources.c_items import Item, Token, items_of, tokens_of, words_of
from noodle.bridges.native.sources.c_variables import variables_of
from noodle.bridges.native.sources.interfaces import Definition, Interface, read_interface

__all__ = ["read_c", "read_cplusplus"]

_STANDARD = re.compile(r"u?int(?:8|16|32|64|max|ptr)_t|s?size_t|ptrdiff_t|bool|FILE|DIR")
_TAGS = ("struct", "union", "enum", "class")
_STORAGE = ("extern", "static", "const")
_CLASS_WORDS = {"public", "private", "protected", "template", "operator", "~"}
_WORD = re.compile(r"[^\W\d]\w*")


def read_c(text: str, exports: Mapping[str, bool]) -> Interface:
    """Return what a C source says of the functions and variables that its library exports.

    Args:
        text: The preprocessed source.
        exports: The exported names; the value says whether it is a function.
    """
    items = items_of(tokens_of(text))
    functions = [item for item in items if item.has_body and exports.get(item.name or "")]
    variables = variables_of(items, exports)
    return _interface(functions, variables, _Types(items, own_names=False))


def read_cplusplus(text: str, exports: Mapping[str, bool]) -> Interface:
    """Return what a C++ source says of what is ``extern "C"`` and its library exports.

    Args:
        text: The preprocessed source.
        exports: The exported names; the value says whether it is a function.
    """
    items = [_as_c(item) for item in items_of(tokens_of(text, with_system=False)) if item.tokens]
    declared = {item.name for item in items if item.linkage == "C"}
    functions = [
        i for i in items if i.has_body and i.name in declared and exports.get(i.name or "")
    ]
    variables = variables_of((i for i in items if i.linkage == "C"), exports)
    return _interface(functions, variables, _Types(items, own_names=True))


def _as_c(item: Item) -> Item:
    """Return an item in C's words: ``using`` as a typedef, ``auto … -> int`` as ``int …``."""
    tokens = list(item.tokens)
    texts = [token.text for token in tokens]
    if texts[0] == "using" and texts[2:3] == ["="]:
        tokens = [replace(tokens[0], text="typedef"), *tokens[3:], tokens[1]]
    elif texts[0] == "auto" and "->" in texts:
        arrow = texts.index("->")
        tokens = [*tokens[arrow + 1 :], *tokens[1:arrow]]
    tokens = _without_defaults(tokens) if item.has_body else tokens
    return replace(item, tokens=[t for t in tokens if t.text not in ("std", "::")])


def _without_defaults(tokens: Sequence[Token]) -> list[Token]:
    """Return a function's head without the values that its parameters have by default."""
    kept: list[Token] = []
    depth, value = 0, 0
    for token in tokens:
        if token.text in (",", ")") and depth == value:
            value = 0
        depth += (token.text in "([{") - (token.text in ")]}")
        if token.text == "=" and not value:
            value = depth
        if not value:
            kept.append(token)
    return kept


class _Types:
    """The types that a text declares, found by name.

    Args:
        items: The items of the text.
        own_names: Whether ``struct thing`` is also called ``thing``, as in C++.
    """

    def __init__(self, items: Iterable[Item], *, own_names: bool) -> None:
        self._items: dict[str, list[tuple[int, str, set[str]]]] = {}
        self._unmeasured = unmeasured = set[str]()
        for index, item in enumerate(items):
            if item.has_body or not item.tokens:
                continue
            words = words_of(item)
            texts = _without_storage([token.text for token in item.tokens])
            hides = item.laid_out or not words.isdisjoint(unmeasured) or _derives(texts)
            for name, text in _declared_types(texts, own_names):
                if hides and (_body(texts) is None or "enum" in texts[:2]):
                    unmeasured.add(name)  # numbers of another size or place than C gives them
                shown = _without_fields(text) if hides else text
                self._items.setdefault(name, []).append((index, shown, words))

    def shown(self, item: Item) -> str:
        """Return a declaration as C, without fields whose places are not known."""
        hides = item.laid_out or not self._unmeasured.isdisjoint(words_of(item))
        return f"{_without_fields(item.text) if hides else item.text} ;"

    def needed_by(self, functions: Sequence[Item], *, opaque: bool = False) -> str:
        """Return the declarations that functions need, in the order of the text.

        Args:
            functions: The functions and variables.
            opaque: Whether structures are declared without their fields.
        """
        wanted = [word for function in functions for word in words_of(function)]
        found: set[tuple[int, str]] = set()
        seen: set[str] = set()
        while wanted:
            name = wanted.pop()
            if name in seen or _STANDARD.fullmatch(name):
                continue
            seen.add(name)
            for index, text, words in self._items.get(name, ()):
                found.add((index, _without_fields(text) if opaque else text))
                wanted += words
        return "\n".join(text for _, text in sorted(found))


def _without_storage(texts: list[str]) -> list[str]:
    """Return an item that begins with the type that it may define."""
    while len(texts) > 1 and texts[0] in _STORAGE:
        texts = texts[1:]
    return texts


def _declared_types(texts: list[str], own_names: bool) -> Iterator[tuple[str, str]]:
    """Yield the types that an item declares, with their declarations as C."""
    if texts[0] == "typedef" and len(texts) > 2:
        body = _body(texts)
        declarator = texts[body.stop :] if body else texts
        words = [text for text in declarator if _WORD.fullmatch(text)]
        pointer = re.search(r"\( \* (?:const )?(\w+) (?:\)|\[)", " ".join(declarator))
        declared = f"{' '.join(texts)} ;"
        yield pointer[1] if pointer else words[-1] if words else "", declared
        if body and texts[1] in _TAGS and texts[2] != "{":
            yield texts[2], declared
    elif texts[0] in _TAGS and len(texts) > 1 and texts[1] not in _TAGS:
        yield from _tagged(texts, own_names)


def _tagged(texts: list[str], own_names: bool) -> Iterator[tuple[str, str]]:
    kind = "struct" if texts[0] == "class" else texts[0]
    name = texts[1]
    body = _body(texts) if {"{", ":", "final"}.intersection(texts[2:3]) else None
    if not _WORD.fullmatch(name) or not (body or len(texts) == 2):
        return
    fields = texts[body.start : body.stop] if body else []
    if _has_methods(fields):
        fields = []
    typedef = [f"typedef {kind} {name} {name} ;"] if own_names else []
    yield name, " ".join([*typedef, kind, name, *fields, ";"])


def _derives(texts: list[str]) -> bool:
    """Return whether a type has fields of others, or its numbers a size that is stated."""
    body = _body(texts)
    return body is not None and ":" in texts[: body.start]


def _has_methods(fields: list[str]) -> bool:
    triples = zip(fields, fields[1:], fields[2:], strict=False)
    calls = any(
        mark == "(" and after != "*" and _WORD.fullmatch(before) for before, mark, after in triples
    )
    return calls or bool(_CLASS_WORDS.intersection(fields))


def _body(texts: list[str]) -> slice | None:
    """Return where the braces of a type are, or None where it has none."""
    depth = 0
    for index, text in enumerate(texts):
        depth += (text == "{") - (text == "}")
        if text == "}" and not depth:
            return slice(texts.index("{"), index + 1)
    return None


def _without_fields(text: str) -> str:
    if re.match(r"(?:typedef (?:\w+ )*)?enum\b", text):
        return text
    unnamed = re.fullmatch(r"typedef (struct|union) \{.*\} (\w+) ;", text)
    if unnamed:
        return f"typedef {unnamed[1]} {unnamed[2]} {unnamed[2]} ;"
    return re.sub(r"\{.*\} ", "", text)


def _interface(
    functions: Sequence[Item], variables: Mapping[str, Item], types: _Types
) -> Interface:
    named = [(item.name or item.first, item) for item in functions]
    named += [pair for pair in variables.items() if pair[0] not in SYMBOLS]
    return read_interface([_Definition(name, item, types) for name, item in named])


class _Definition(Definition):
    """A function or variable of a C or C++ source.

    Args:
        name: Its name.
        item: Its declaration.
        types: The types of its source.
    """

    def __init__(self, name: str, item: Item, types: _Types) -> None:
        self.item = item
        self._types = types
        first = item.tokens[0]
        super().__init__(name, f"{first.file}:{first.line}", types.shown(item))

    def types_of(self, definitions: Sequence[Definition], *, opaque: bool) -> str:
        items = [one.item for one in definitions if isinstance(one, _Definition)]
        return self._types.needed_by(items, opaque=opaque)

    def refusal(self) -> str | None:
        texts = {token.text for token in self.item.tokens}
        if "&" in texts:
            return "it has a reference (&), which C lacks; take a pointer"
        return "it has a template's type, which C lacks" if "<" in texts else None
