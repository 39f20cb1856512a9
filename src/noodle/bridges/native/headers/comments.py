"""Comments of C headers, by the names that they stand at.

A comment belongs to the declaration directly behind it, and to the functions that follow without
an empty line. One at the end of a declaration's line, or directly below it before an empty line,
belongs to that declaration if none stands above it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

__all__ = ["comments_of", "plain_text"]

_TOKEN = re.compile(
    r"(?P<comment>/\*.*?\*/|//[^\n]*(?:\n[ \t]*//[^\n]*)*)"
    r"|^[ \t]*(?P<directive>#(?:[^\n\\/]|\\.|/(?![*/]))*)"
    r"|(?P<text>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')"
    r"|(?P<mark>[{}();,])",
    re.DOTALL | re.MULTILINE,
)
_DEFINITION = re.compile(r"#\s*define\s+(\w+)")
_LINKAGE = re.compile(r'extern\s*"C(?:\+\+)?"\s*$')
_TAG = re.compile(r"\b(struct|union|enum)\s*(\w*)\s*$")
_WORD = re.compile(r"[A-Za-z_]\w*")
_EMPTY_LINE = re.compile(r"\n[ \t]*\n")
_CALLED = re.compile(r"([A-Za-z_]\w*)\s*\(")
_NO_CODE = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_DIRECTIVE_LINE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*\n", re.MULTILINE)


@dataclass(slots=True)
class _Item:
    """A ``comment``, a ``function`` or variable, or ``named``: a macro, a member, a type."""

    kind: str
    start: int
    end: int
    keys: tuple[str, ...] = ()


def comments_of(text: str, names: Collection[str]) -> dict[str, str]:
    """Return the comments of a header, by names.

    Args:
        text: The header, as it stands in its file.
        names: The functions and variables that are wanted; macros in declarations are no such.

    Returns:
        The comments of functions, variables, macros and members of enumerations by their names, of
        structures by ``struct NAME``, of fields by ``struct NAME.FIELD``.
    """
    scanner = _Scanner(text.replace("\r\n", "\n").replace("\r", "\n"), names)
    scanner.scan()
    found: dict[str, str] = {}
    plain = cache(plain_text)
    for items in scanner.levels:
        for keys, comment in _assigned(scanner.text, items):
            for key in keys:
                found.setdefault(key, plain(comment))
    return {key: comment for key, comment in found.items() if comment}


class _Scanner:
    """Splits a text into comments, declarations and macros, on each level of braces."""

    def __init__(self, text: str, names: Collection[str]) -> None:
        self.text = text
        self._names = names
        self.levels: list[list[_Item]] = []

    def scan(self) -> None:
        self._tokens = _TOKEN.finditer(self.text)
        while self._level("", 0):
            pass

    def _level(self, owner: str, start: int) -> int:
        """Read until the closing brace; return the place behind it, or 0 at the end."""
        level = _Level(self, owner, start)
        self.levels.append(level.items)
        for token in self._tokens:
            if token["comment"] or token["directive"]:
                level.between(token)
            elif token["mark"] == "{" and level.depth == 0:
                self._braces(level, token)
            elif token["mark"] == "}":
                level.close(token)
                if owner:
                    return token.end()
            elif token["mark"]:
                level.mark(token)
        return 0

    def _braces(self, level: _Level, token: re.Match[str]) -> None:
        """Read what stands in braces, and note whose it is."""
        before = self.text[level.begin : token.start()]
        if _LINKAGE.search(before):
            level.begin = token.end()
            return
        tag = _TAG.search(before)
        end = self._level(f"{tag[1]} {tag[2]}" if tag else "code", token.end())
        if tag is None:
            level.body(token.start(), end)
            return
        closing = re.compile(r"\s*(\w+)\s*;").match(self.text, end) if end else None
        named = closing[1] if closing and before.lstrip().startswith("typedef") else ""
        if tag[2] or named:
            level.structure = f"{tag[1]} {tag[2] or named}"
            for item in self.levels[-1] if not tag[2] else ():
                item.keys = tuple(
                    key.replace(f"{tag[1]} .", f"{tag[1]} {named}.") for key in item.keys
                )

    def keys(self, text: str, owner: str) -> tuple[str, ...]:
        """Return the names that a declaration without braces declares."""
        text = _NO_CODE.sub(" ", text)
        words = _WORD.findall(text)
        if owner.startswith("enum"):
            return tuple(words[:1])
        if owner:
            field = _WORD.findall(re.sub(r"[\[:].*", "", text, flags=re.DOTALL))
            return tuple(f"{owner}.{word}" for word in field[-1:])
        called = [m[1] for m in _CALLED.finditer(text) if m[1] in self._names]
        return tuple((called or [word for word in words if word in self._names])[:1])


class _Level:
    """What is being read between two braces, or outside of all.

    Args:
        scanner: What reads.
        owner: ``struct NAME``, ``union NAME``, ``enum NAME``, ``code``, or ``""`` outside.
        begin: Where it begins.
    """

    def __init__(self, scanner: _Scanner, owner: str, begin: int) -> None:
        self.items: list[_Item] = []
        self.begin = begin
        self.depth = 0
        self.structure = ""
        self._scanner = scanner
        self._text = scanner.text
        self._owner = owner

    def between(self, token: re.Match[str]) -> None:
        """Take a comment or a directive, unless it stands within a declaration."""
        if self._text[self.begin : token.start()].strip():
            if not token["comment"] or not self._owner.startswith("enum"):
                return
            self._add(token.start())
        self.begin = token.end()
        defined = token["directive"] and _DEFINITION.match(token["directive"])
        if token["comment"]:
            self.items.append(_Item("comment", token.start(), token.end()))
        elif defined:
            self.items.append(_Item("named", token.start(), token.end(), (defined[1],)))

    def mark(self, token: re.Match[str]) -> None:
        """Take a parenthesis, a comma or a semicolon."""
        if token["mark"] in "()":
            self.depth = max(0, self.depth + (1 if token["mark"] == "(" else -1))
        elif self.depth == 0 and (token["mark"] == ";" or self._owner.startswith("enum")):
            self._add(token.end())

    def body(self, start: int, end: int) -> None:
        """Take a function's body, or the value of a variable, which ends with a semicolon."""
        if self._text[self.begin : start].rstrip().endswith(")"):
            self._add(start)
            self.begin = end or start

    def close(self, token: re.Match[str]) -> None:
        """Take a closing brace."""
        if self._owner.startswith("enum"):
            self._add(token.start())
        self.begin, self.depth = token.end(), 0

    def _add(self, end: int) -> None:
        text = self._text[self.begin : end]
        begin = self.begin + len(text) - len(text.lstrip())
        if text.strip(" \t\n;,") and self._owner != "code":
            own = (self.structure,) if self.structure else self._scanner.keys(text, self._owner)
            kind = "named" if self._owner or self.structure else "function"
            self.items.append(_Item(kind, begin, end, own))
        self.begin, self.structure = end, ""


def _assigned(text: str, items: list[_Item]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what belongs together: keys and the comment of them."""
    group: _Item | None = None
    for index, item in enumerate(items):
        if item.kind == "comment":
            continue
        before = items[index - 1] if index else None
        follower = items[index + 1] if index + 1 < len(items) else None
        own = before if before and before.kind == "comment" else None
        if own and (_apart(text, own, item) or _trails(text, items, index - 1)):
            own = None
        beside = follower if follower and _trails(text, items, index + 1) else None
        if before is None or own or _apart(text, before, item):
            group = own
        below = follower if follower and _is_below(text, items, index + 1) else None
        if item.kind == "function":
            chosen = own or beside or below or group
        else:
            chosen = beside or own or below
        if chosen:
            yield item.keys, text[chosen.start : chosen.end]


def _apart(text: str, first: _Item, second: _Item) -> bool:
    """Return whether an empty line stands between two items."""
    between = text[first.end : second.start]
    return bool(_EMPTY_LINE.search(_DIRECTIVE_LINE.sub("", between) if "#" in between else between))


def _trails(text: str, items: list[_Item], index: int) -> bool:
    """Return whether a comment stands on the line on which the item before it ends."""
    if index < 1 or items[index].kind != "comment" or items[index - 1].kind == "comment":
        return False
    return "\n" not in text[items[index - 1].end : items[index].start]


def _is_below(text: str, items: list[_Item], index: int) -> bool:
    """Return whether a comment stands directly below an item, with nothing directly behind it."""
    comment = items[index]
    if comment.kind != "comment" or _apart(text, items[index - 1], comment):
        return False
    return index + 1 == len(items) or _apart(text, comment, items[index + 1])


def plain_text(comment: str) -> str:
    """Return a comment without the signs that make it one."""
    if comment.startswith("//"):
        lines = [re.sub(r"^\s*//[/!]?<?", "", line) for line in comment.split("\n")]
    else:
        inner = re.sub(r"^/\*+[!<]?<?|\**\*/$", "", comment)
        lines = [re.sub(r"^\s*\*+(?= |\t|$)", "", line) for line in inner.split("\n")]
    return _dedented(lines)


def _dedented(lines: Iterable[str]) -> str:
    import textwrap

    first, *further = lines
    rest = textwrap.dedent("\n".join(further))
    text = "\n".join(line.rstrip() for line in f"{first.strip()}\n{rest}".split("\n")).strip("\n")
    return text if re.search(r"\w", text) else ""
