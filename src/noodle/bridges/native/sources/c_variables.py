"""The variables that a C or C++ source has at its top level, as declarations without values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from noodle.bridges.native.sources.c_items import Item, Token, words_of

__all__ = ["variables_of"]

_TAGS = ("struct", "union", "enum", "class")
_NO_VARIABLE = ("typedef", "using", "template")
_OPENING, _CLOSING = "([{", ")]}"


def variables_of(items: Iterable[Item], exports: Mapping[str, bool]) -> dict[str, Item]:
    """Return the exported variables by name, each as ``extern TYPE NAME``.

    The definition of one is preferred to declarations of it.

    Args:
        items: The items of the text.
        exports: The exported names; the value says whether it is a function.
    """
    wanted = {name for name, is_function in exports.items() if not is_function}
    found: dict[str, Item] = {}
    for item in items:
        if item.has_body or item.first in _NO_VARIABLE or wanted.isdisjoint(words_of(item)):
            continue
        is_definition = item.first != "extern"
        for name, declared in _declared(item):
            if name in wanted and (is_definition or name not in found):
                found[name] = declared
    return found


def _declared(item: Item) -> Iterator[tuple[str, Item]]:
    """Yield each name that an item declares, with a declaration of it alone."""
    tokens = list(item.tokens[item.first == "extern" :])
    start, body = _specifiers(tokens)
    extern = replace(item.tokens[0], text="extern")
    for declarator in _declarators(tokens[start:]):
        names = [one.text for one in declarator if one.kind == "word" and one.text != "const"]
        if names:
            specifiers = _tagged(tokens[:start], body, names[0])
            yield names[0], replace(item, tokens=[extern, *specifiers, *declarator])


def _specifiers(tokens: Sequence[Token]) -> tuple[int, slice]:
    """Return where the first declarator begins, and where the fields of the type are."""
    index, body = 0, slice(0, 0)
    texts = [token.text for token in tokens] + ["", "", ""]
    while index < len(tokens) and tokens[index].kind == "word":
        if texts[index] in _TAGS:
            index += 1 if texts[index + 1] == "{" else 2
            if texts[index] == "{":
                body = slice(index, _behind(texts, index))
                index = body.stop
        elif texts[index] == "const" or _is_type(texts[index + 1 : index + 3], tokens, index + 1):
            index += 1
        else:
            break
    return index, body


def _is_type(following: Sequence[str], tokens: Sequence[Token], index: int) -> bool:
    """Return whether a word with this behind it belongs to a type, and is no name."""
    is_word = index < len(tokens) and tokens[index].kind == "word"
    return is_word or following[0] in ("*", "&", "<", "::") or list(following) == ["(", "*"]


def _tagged(specifiers: Sequence[Token], body: slice, variable: str) -> Sequence[Token]:
    """Return the specifiers of a variable, where a type that has a name stands without its fields.

    A structure without a name is called after the variable.
    """
    if body.start == body.stop:
        return specifiers
    before = specifiers[body.start - 1]
    if before.text not in _TAGS:
        return [*specifiers[: body.start], *specifiers[body.stop :]]
    name = replace(before, text=f"unnamed_{variable}")
    return [*specifiers[: body.start], name, *specifiers[body.start :]]


def _declarators(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """Yield what stands between commas, without values."""
    kept: list[Token] = []
    depth, in_value = 0, False
    for token in tokens:
        in_value = in_value or (depth == 0 and token.text in ("=", "{"))
        depth += (token.text in _OPENING) - (token.text in _CLOSING)
        if token.text == "," and depth == 0:
            yield kept
            kept, in_value = [], False
        elif not in_value:
            kept.append(token)
    yield kept


def _behind(texts: Sequence[str], start: int) -> int:
    """Return the index behind the brace that closes the one at ``start``."""
    depth = 0
    for index in range(start, len(texts)):
        depth += (texts[index] == "{") - (texts[index] == "}")
        if depth == 0:
            return index + 1
    return len(texts)
